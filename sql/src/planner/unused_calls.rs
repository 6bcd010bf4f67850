//! The optimizer rule that drops calls whose answers are not used: `SELECT count(id) FROM (SELECT id, generate(…) …)`
//! asks the model nothing.

use std::collections::HashSet;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::planner::inference::node::InferenceNode;
use crate::planner::nodes::{extension, into_plan};

/// The rule. It comes after the one that takes unused columns out of projections.
#[derive(Debug)]
pub(crate) struct DropUnusedCalls;

impl OptimizerRule for DropUnusedCalls {
    fn name(&self) -> &'static str {
        "drop_unused_calls"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // Only these two say which columns of their input are read; what others hand on may be read above them.
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let mut read = HashSet::new();
        add_columns(&plan, &mut read)?;
        plan.map_children(|input| drop_calls(input, &read))
    }
}

/// Names suffice: the column of an answer has a name of its own in the whole statement.
fn add_columns(plan: &LogicalPlan, read: &mut HashSet<String>) -> Result<()> {
    plan.apply_expressions(|expr| {
        read.extend(expr.column_refs().into_iter().map(|column| column.name.clone()));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn drop_calls(plan: LogicalPlan, read: &HashSet<String>) -> Result<Transformed<LogicalPlan>> {
    let mut read = read.clone();
    if let Some(node) = extension::<InferenceNode>(&plan) {
        let mut node = node.clone();
        let all = node.calls.len();
        node.calls.retain(|call| read.contains(&call.column));
        let dropped = node.calls.len() < all;
        if node.calls.is_empty() {
            return Ok(Transformed::yes(drop_calls(node.input, &read)?.data));
        }
        let wanted_rows = node.wanted_rows;
        let mut node = InferenceNode::try_new(node.input, node.calls)?;
        node.wanted_rows = wanted_rows;
        let plan = into_plan(node);
        add_columns(&plan, &mut read)?;
        let below = plan.map_children(|input| drop_calls(input, &read))?;
        return Ok(Transformed::new_transformed(below.data, dropped || below.transformed));
    }
    match plan {
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_) => {
            add_columns(&plan, &mut read)?;
            let changed = plan.map_children(|input| drop_calls(input, &read))?;
            if !changed.transformed {
                return Ok(changed);
            }
            Ok(Transformed::yes(changed.data.recompute_schema()?))
        }
        other => Ok(Transformed::no(other)),
    }
}
