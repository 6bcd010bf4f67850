//! The analyzer rule that takes calls of the model out of expressions and puts them into operators below.
//!
//! What stays above sees a column where the call was. A call runs only for rows that need it: the branch of a CASE
//! that is taken, the side of an AND or OR that decides, the argument of COALESCE that is reached. A condition that
//! decides on a call and may fail, or may give another value the second time, is evaluated below as well: once, and only
//! for the rows that reach it. Predicates without a call run below, so the model sees only the rows that pass them.

mod below;
mod expressions;
mod guard;
mod joins;
mod names;
mod operators;
mod values;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, not_impl_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Distinct, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use crate::planner::inference::node::InferenceNode;
use crate::planner::model_rows::node::ModelRowsNode;
use crate::planner::nodes::{asks_model, extension};
use names::Names;
use operators::{hoist_filter, hoist_plain, hoist_rows};

/// Moves calls of the model into operators of their own.
#[derive(Debug)]
pub(crate) struct HoistInference;

impl AnalyzerRule for HoistInference {
    fn name(&self) -> &'static str {
        "hoist_inference"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = Names::default();
        Ok(plan.transform_up_with_subqueries(|plan| hoist(plan, &mut names))?.data)
    }
}

fn hoist(plan: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    // An inference node is where a call belongs.
    if extension::<InferenceNode>(&plan).is_some() {
        return Ok(Transformed::no(plan));
    }
    if !has_call(&plan)? {
        return below::sink(plan);
    }
    let hoisted = match plan {
        LogicalPlan::Filter(_) => hoist_filter(plan, names)?,
        LogicalPlan::Projection(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(Distinct::On(_)) => hoist_plain(plan, names)?,
        LogicalPlan::Extension(_) if extension::<ModelRowsNode>(&plan).is_some() => hoist_rows(&plan, names)?,
        LogicalPlan::Join(join) => joins::hoist(join, names)?,
        LogicalPlan::Values(values) => values::hoist(values, names)?,
        other => return not_impl_err!("calls of a model in {} are not supported", other.display()),
    };
    Ok(Transformed::yes(hoisted))
}

fn has_call(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = found || asks_model(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
