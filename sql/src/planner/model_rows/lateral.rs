//! Functions in FROM: `generate('…', name => …)`, alone or LATERAL to what stands before them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    DFSchema, DFSchemaRef, JoinType, Result, ScalarValue, TableReference, not_impl_err,
};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning as Planning,
};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{FunctionArg, ObjectName, TableAlias, TableFactor};
use hyprstream_udfs::{Settings, StreamingFunction};

use super::rows_node::RowsNode;
use crate::rewrite::bind;

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
    let bound = bind(function.function(), arguments).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let nothing = DFSchema::empty();
    let mut arguments = Vec::with_capacity(function.function().parameters.len());
    for value in bound {
        arguments.push(match value {
            Some(value) => context.sql_to_expr(value, &nothing)?,
            None => lit(ScalarValue::Null),
        });
    }
    arguments.resize(function.function().parameters.len(), lit(ScalarValue::Null));
    let settings = Settings::of(context.context_provider().options());
    let known: Vec<Option<ScalarValue>> = arguments.iter().map(literal).collect();
    let schema = function.schema(&known, &settings)?;
    let columns = DFSchema::try_from_qualified_schema(function.function().name, &schema)?;
    let node = RowsNode::new(Arc::clone(function), arguments, Arc::new(columns));
    Ok(PlannedRelation::new(node.into_plan(), alias))
}

fn literal(argument: &Expr) -> Option<ScalarValue> {
    match argument {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => literal(&cast.expr).and_then(|value| value.cast_to(cast.field.data_type()).ok()),
        _ => None,
    }
}

/// Turns `Join(left, function that reads left's columns)` into the function once for each row of left.
#[derive(Debug)]
pub(crate) struct LateralRule;

impl AnalyzerRule for LateralRule {
    fn name(&self) -> &'static str {
        "lateral_model_rows"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite)?.data)
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = &plan else {
        return Ok(Transformed::no(plan));
    };
    let Some(found) = find(&join.right)? else {
        return Ok(Transformed::no(plan));
    };
    if !found.arguments.iter().any(Expr::contains_outer) {
        return Ok(Transformed::no(plan));
    }
    let arguments = found.arguments.iter().cloned().map(own_column).collect::<Result<_>>()?;
    let node = found.with_arguments(arguments).with_input(LogicalPlan::clone(&join.left))?;
    Ok(Transformed::yes(lateral(join, node)?))
}

fn lateral(join: &Join, node: RowsNode) -> Result<LogicalPlan> {
    let condition = condition(join);
    match (join.join_type, condition) {
        (JoinType::Inner, None) => Ok(node.into_plan()),
        (JoinType::Inner, Some(condition)) => {
            LogicalPlanBuilder::from(node.into_plan()).filter(condition)?.build()
        }
        (JoinType::Left, None) => Ok(node.keeping_empty().into_plan()),
        (JoinType::Left, Some(_)) => not_impl_err!(
            "LEFT JOIN LATERAL {} takes ON true; put the condition into a subquery's WHERE",
            node.function.function().name
        ),
        (other, _) => {
            not_impl_err!("{other} JOIN LATERAL {} is not supported", node.function.function().name)
        }
    }
}

/// The join's condition, `None` for ON true.
fn condition(join: &Join) -> Option<Expr> {
    let keys = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
    keys.chain(join.filter.clone()).filter(|e| *e != lit(true)).reduce(Expr::and)
}

/// The node under the aliases, projections and subquery that the planner puts around a lateral relation.
fn find(plan: &LogicalPlan) -> Result<Option<RowsNode>> {
    match plan {
        LogicalPlan::Subquery(subquery) => find(&subquery.subquery),
        LogicalPlan::SubqueryAlias(alias) => renamed(find(&alias.input)?, Some(&alias.alias), &alias.schema),
        LogicalPlan::Projection(projection) => {
            let renames = projection.expr.iter().all(|e| matches!(e, Expr::Alias(_) | Expr::Column(_)));
            let found = find(&projection.input)?.filter(|node| {
                renames
                    && node.input.is_none()
                    && node.columns.fields().len() == projection.schema.fields().len()
            });
            renamed(found, None, &projection.schema)
        }
        other => Ok(RowsNode::from_plan(other).filter(|node| node.input.is_none()).cloned()),
    }
}

fn renamed(
    node: Option<RowsNode>,
    alias: Option<&TableReference>,
    schema: &DFSchemaRef,
) -> Result<Option<RowsNode>> {
    let Some(node) = node else { return Ok(None) };
    let fields = schema.iter().map(|(qualifier, field)| (alias.or(qualifier).cloned(), Arc::clone(field)));
    let columns = DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?;
    node.with_columns(Arc::new(columns)).map(Some)
}

/// A column of the outer query becomes a column of the input.
fn own_column(argument: Expr) -> Result<Expr> {
    let own = argument.transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    })?;
    Ok(own.data)
}
