//! Functions in FROM that read columns of the relations before them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, JoinType, Result, TableReference, not_impl_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::AnalyzerRule;

use crate::planner::model_rows::node::ModelRowsNode;
use crate::planner::nodes::{extension, into_plan};

/// Turns `Join(left, function that reads left's columns)` into the function with `left` as its input.
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

fn lateral(join: &Join, node: ModelRowsNode) -> Result<LogicalPlan> {
    let condition = condition(join);
    match (join.join_type, condition) {
        (JoinType::Inner, None) => Ok(into_plan(node)),
        (JoinType::Inner, Some(condition)) => {
            LogicalPlanBuilder::from(into_plan(node)).filter(condition)?.build()
        }
        (JoinType::Left, None) => Ok(into_plan(node.keeping_empty())),
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
fn find(plan: &LogicalPlan) -> Result<Option<ModelRowsNode>> {
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
        other => Ok(extension::<ModelRowsNode>(other).filter(|node| node.input.is_none()).cloned()),
    }
}

fn renamed(
    node: Option<ModelRowsNode>,
    alias: Option<&TableReference>,
    schema: &DFSchemaRef,
) -> Result<Option<ModelRowsNode>> {
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
