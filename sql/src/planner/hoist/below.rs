//! LIMIT, and ORDER BY columns that are no answers, run below the model, so that it sees only the rows that are kept.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Projection, Sort};

use crate::planner::inference::node::InferenceNode;
use crate::planner::nodes::extension;

/// Moves a LIMIT or a sort below the operators that ask the model, where the result stays the same.
pub(super) fn sink(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Limit(limit) if asks_row_by_row(&limit.input) => {
            let input = LogicalPlan::clone(&limit.input);
            Ok(Transformed::yes(sink_limit(&limit, input)?))
        }
        LogicalPlan::Sort(sort) if asks_row_by_row(&sort.input) => {
            let input = LogicalPlan::clone(&sort.input);
            Ok(match sink_sort(sort.expr.clone(), sort.fetch, input)? {
                Some(sunk) => Transformed::yes(sunk),
                None => Transformed::no(LogicalPlan::Sort(sort)),
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// True when an inference node lies below nothing but projections: one row in is one row out.
fn asks_row_by_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => asks_row_by_row(&projection.input),
        other => extension::<InferenceNode>(other).is_some(),
    }
}

fn sink_limit(limit: &Limit, plan: LogicalPlan) -> Result<LogicalPlan> {
    match &plan {
        LogicalPlan::Projection(_) => over_input(plan, |input| sink_limit(limit, input)),
        other if extension::<InferenceNode>(other).is_some() => {
            over_input(plan, |input| sink_limit(limit, input))
        }
        _ => Ok(LogicalPlan::Limit(Limit { input: Arc::new(plan), ..limit.clone() })),
    }
}

/// `None` when a key reads an answer.
fn sink_sort(keys: Vec<SortKey>, fetch: Option<usize>, plan: LogicalPlan) -> Result<Option<LogicalPlan>> {
    if let LogicalPlan::Projection(projection) = &plan {
        let keys = keys
            .into_iter()
            .map(|key| Ok(SortKey { expr: before_projection(key.expr, projection)?, ..key }))
            .collect::<Result<Vec<_>>>()?;
        let input = LogicalPlan::clone(&projection.input);
        return match sink_sort(keys, fetch, input)? {
            Some(sunk) => over_input(plan, |_| Ok(sunk.clone())).map(Some),
            None => Ok(None),
        };
    }
    if let Some(node) = extension::<InferenceNode>(&plan) {
        let reads_answer = |key: &SortKey| {
            let columns = key.expr.column_refs();
            node.calls.iter().any(|call| columns.iter().any(|c| c.name == call.column))
        };
        if keys.iter().any(reads_answer) {
            return Ok(None);
        }
        let input = node.input.clone();
        return match sink_sort(keys, fetch, input)? {
            Some(sunk) => over_input(plan, |_| Ok(sunk.clone())).map(Some),
            None => Ok(None),
        };
    }
    Ok(Some(LogicalPlan::Sort(Sort { expr: keys, input: Arc::new(plan), fetch })))
}

/// A key over a projection's columns as one over its input's.
fn before_projection(key: Expr, projection: &Projection) -> Result<Expr> {
    let key = key.transform(|expr| {
        let Expr::Column(column) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let Some(index) = projection.schema.maybe_index_of_column(column) else {
            return Ok(Transformed::no(expr));
        };
        let below = projection.expr[index].clone().unalias_nested().data;
        Ok(Transformed::yes(below))
    })?;
    Ok(key.data)
}

fn over_input(
    plan: LogicalPlan,
    mut change: impl FnMut(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    Ok(plan.map_children(|input| Ok(Transformed::yes(change(input)?)))?.data)
}
