//! Plans functions in FROM, each as a node without input.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{DFSchema, Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning as Planning,
};
use datafusion::logical_expr::{Expr, lit};
use datafusion::sql::sqlparser::ast::{FunctionArg, ObjectName, TableAlias, TableFactor};
use hyprstream_udfs::{Settings, StreamingFunction};

use crate::planner::model_rows::node::ModelRowsNode;
use crate::planner::nodes::into_plan;
use crate::rewrite::named_arguments::bind;

/// Plans the functions in FROM whose rows come as the model makes them.
#[derive(Debug)]
pub(crate) struct RelationPlanning {
    functions: HashMap<&'static str, Arc<dyn StreamingFunction>>,
}

impl RelationPlanning {
    pub(crate) fn new(functions: Vec<Arc<dyn StreamingFunction>>) -> Self {
        Self { functions: functions.into_iter().map(|f| (f.function().name, f)).collect() }
    }

    fn find(&self, name: &ObjectName) -> Option<&Arc<dyn StreamingFunction>> {
        let name = name.0.last()?.as_ident()?.value.to_lowercase();
        self.functions.get(name.as_str())
    }
}

impl RelationPlanner for RelationPlanning {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Planning> {
        let TableFactor::Function { name, args, with_ordinality, alias, .. } = &relation else {
            return Ok(Planning::Original(Box::new(relation)));
        };
        let Some(function) = self.find(name) else {
            return Ok(Planning::Original(Box::new(relation)));
        };
        if *with_ordinality {
            return not_impl_err!("WITH ORDINALITY of {name} is not supported");
        }
        let planned = plan(function, args.clone(), alias.clone(), context)?;
        Ok(Planning::Planned(Box::new(planned)))
    }
}

fn plan(
    function: &Arc<dyn StreamingFunction>,
    arguments: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    context: &mut dyn RelationPlannerContext,
) -> Result<PlannedRelation> {
    let bound = bind(function.function(), arguments)?;
    let nothing = DFSchema::empty();
    let mut arguments = Vec::with_capacity(function.function().parameters.len());
    for value in bound {
        arguments.push(match value {
            Some(value) => context.sql_to_expr(value, &nothing)?,
            None => lit(ScalarValue::Null),
        });
    }
    arguments.resize(function.function().parameters.len(), lit(ScalarValue::Null));
    let settings = Settings::from_options(context.context_provider().options());
    let known: Vec<Option<ScalarValue>> = arguments.iter().map(literal).collect();
    let schema = function.schema(&known, &settings)?;
    let columns = DFSchema::try_from_qualified_schema(function.function().name, &schema)?;
    let node = ModelRowsNode::new(Arc::clone(function), arguments, Arc::new(columns));
    Ok(PlannedRelation::new(into_plan(node), alias))
}

fn literal(argument: &Expr) -> Option<ScalarValue> {
    match argument {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => literal(&cast.expr).and_then(|value| value.cast_to(cast.field.data_type()).ok()),
        _ => None,
    }
}
