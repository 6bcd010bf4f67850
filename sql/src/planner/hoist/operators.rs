//! Taking the calls out of one operator: it sees a column where each call was.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, Result, not_impl_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::planner::hoist::expressions::Hoister;
use crate::planner::hoist::guard::{Guard, is_harmless};
use crate::planner::hoist::names::Names;
use crate::planner::model_rows::node::ModelRowsNode;
use crate::planner::nodes::{asks_model, extension, into_plan};

/// An operator with one input whose expressions are all evaluated for every row.
pub(super) fn hoist_plain(plan: LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let input = single_input(&plan)?;
    let keeps_names = matches!(plan, LogicalPlan::Sort(_));
    let preserver = NamePreserver::new(&plan);
    let mut hoister = Hoister::new(names, input.schema());
    let plan = plan.map_expressions(|expr| {
        if !asks_model(&expr) {
            return Ok(Transformed::no(expr));
        }
        let saved = preserver.save(&expr);
        let expr = hoister.hoist(expr, &Guard::default())?;
        Ok(Transformed::yes(if keeps_names { expr } else { saved.restore(expr) }))
    })?;
    let input = hoister.wrap(input)?;
    let plan = plan.data.map_children(|_| Ok(Transformed::yes(input.clone())))?.data.recompute_schema()?;
    restore_columns(plan, &schema)
}

/// Predicates without a call first, then one after the other, each over the rows that passed those before.
pub(super) fn hoist_filter(plan: LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let LogicalPlan::Filter(filter) = plan else {
        return Ok(plan);
    };
    let (calling, cheap): (Vec<Expr>, Vec<Expr>) =
        split_conjunction_owned(filter.predicate).into_iter().partition(asks_model);
    let mut plan = LogicalPlan::clone(&filter.input);
    if let Some(cheap) = conjunction(cheap) {
        plan = filter_lazily(plan, cheap, names)?;
    }
    for predicate in calling {
        plan = filter_by_call(plan, predicate, names)?;
    }
    restore_columns(plan, &schema)
}

/// Predicates without a call. One that can fail or change is evaluated only for the rows that passed those before it.
fn filter_lazily(input: LogicalPlan, predicate: Expr, names: &mut Names) -> Result<LogicalPlan> {
    let later = split_conjunction(&predicate).into_iter().skip(1);
    let is_harmless = later.into_iter().all(|p| is_harmless(p, input.schema()));
    let mut hoister = Hoister::new(names, input.schema());
    let predicate = if is_harmless { predicate } else { hoister.decide(predicate, &Guard::default())? };
    LogicalPlanBuilder::from(hoister.wrap(input)?).filter(predicate)?.build()
}

pub(super) fn filter_by_call(input: LogicalPlan, predicate: Expr, names: &mut Names) -> Result<LogicalPlan> {
    let mut hoister = Hoister::new(names, input.schema());
    let predicate = hoister.hoist(predicate, &Guard::default())?;
    LogicalPlanBuilder::from(hoister.wrap(input)?).filter(predicate)?.build()
}

/// A function in FROM whose arguments are calls themselves.
pub(super) fn hoist_rows(plan: &LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let Some(node) = extension::<ModelRowsNode>(plan) else {
        return Ok(plan.clone());
    };
    let input = match &node.input {
        Some(input) => input.clone(),
        None => LogicalPlanBuilder::empty(true).build()?,
    };
    let mut hoister = Hoister::new(names, input.schema());
    let arguments: Vec<Expr> =
        node.arguments.iter().map(|a| hoister.hoist(a.clone(), &Guard::default())).collect::<Result<_>>()?;
    let node = node.clone().with_arguments(arguments).with_input(hoister.wrap(input)?)?;
    restore_columns(into_plan(node), &schema)
}

fn single_input(plan: &LogicalPlan) -> Result<LogicalPlan> {
    if let [input] = plan.inputs().as_slice() {
        Ok((*input).clone())
    } else {
        not_impl_err!("calls of a model in {} are not supported", plan.display())
    }
}

/// Drops the columns of answers where the operator would hand them on.
pub(super) fn restore_columns(plan: LogicalPlan, schema: &DFSchemaRef) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == schema.fields().len() {
        return Ok(plan);
    }
    let columns =
        schema.iter().map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())));
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
