//! Calls in the condition of a join: they run on the side whose columns they read.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, not_impl_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, LogicalPlan};

use crate::planner::hoist::expressions::Hoister;
use crate::planner::hoist::guard::Guard;
use crate::planner::hoist::names::Names;
use crate::planner::hoist::operators::{filter_by_call, restore_columns};
use crate::planner::nodes::{asks_model, is_call};

/// Moves the calls of a join's condition below it, and those that read both sides above it.
pub(super) fn hoist(join: Join, names: &mut Names) -> Result<LogicalPlan> {
    let schema = Arc::clone(&join.schema);
    let (mut left_only, mut both) = (Vec::new(), Vec::new());
    for predicate in join.filter.map(split_conjunction_owned).unwrap_or_default() {
        if reads_both_sides(&predicate, &join.left, &join.right)? {
            both.push(predicate);
        } else {
            left_only.push(predicate);
        }
    }
    if !both.is_empty() && join.join_type != JoinType::Inner {
        return not_impl_err!("a call of a model over both sides of an outer join is not supported");
    }
    let (left_side, right_side) = (Arc::clone(&join.left), Arc::clone(&join.right));
    let mut on = join.on;
    let mut filter = left_only;
    let left = hoist_side(&mut on, &mut filter, &left_side, true, names)?;
    let right = hoist_side(&mut on, &mut filter, &right_side, false, names)?;
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        conjunction(filter),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let mut plan = restore_columns(LogicalPlan::Join(joined), &schema)?;
    for predicate in both {
        plan = filter_by_call(plan, predicate, names)?;
        plan = restore_columns(plan, &schema)?;
    }
    Ok(plan)
}

/// Takes the calls that belong to one side out of the keys and the filter, and gives that side with their answers.
fn hoist_side(
    on: &mut [(Expr, Expr)],
    filter: &mut [Expr],
    side: &LogicalPlan,
    is_left: bool,
    names: &mut Names,
) -> Result<LogicalPlan> {
    let mut hoister = Hoister::new(names, side.schema());
    for (left_key, right_key) in on {
        let key = if is_left { left_key } else { right_key };
        *key = hoister.hoist(key.clone(), &Guard::default())?;
    }
    for predicate in filter {
        let taken = predicate.clone().transform_down(|expr| {
            if is_call(&expr) && belongs_to(&expr, side) {
                let column = hoister.hoist(expr, &Guard::default())?;
                return Ok(Transformed::new(column, true, TreeNodeRecursion::Jump));
            }
            Ok(Transformed::no(expr))
        })?;
        *predicate = taken.data;
    }
    if hoister.is_empty() { Ok(side.clone()) } else { hoister.wrap(side.clone()) }
}

fn belongs_to(call: &Expr, side: &LogicalPlan) -> bool {
    call.column_refs().iter().all(|column| side.schema().has_column(column))
}

fn reads_both_sides(predicate: &Expr, left: &LogicalPlan, right: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    predicate.apply(|expr| {
        if is_call(expr) && asks_model(expr) && !belongs_to(expr, left) && !belongs_to(expr, right) {
            found = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
