//! The analyzer rule that takes calls of the model out of expressions and puts them into operators below.
//!
//! What stays above sees a column where the call was. A call runs only for rows that need it: the branch of a CASE
//! that is taken, the side of an AND or OR that decides, the argument of COALESCE that is reached. What decides on a call
//! and may fail, or give another value the second time, is evaluated below as well: once, and only for the rows that
//! reach it. Predicates without a call run below, so the model sees only the rows that pass them.

mod below;
mod expressions;
mod guard;
mod joins;
mod values;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, not_impl_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

use super::inference::InferenceNode;
use super::rows_node::RowsNode;
use expressions::{Hoister, asks_model};
use guard::Guard;

/// The names of the columns that answers go to, unique in one statement.
#[derive(Debug, Default)]
pub(super) struct Names {
    used: usize,
}

impl Names {
    fn next(&mut self, function: &str) -> String {
        self.used += 1;
        format!("__{function}_{}", self.used)
    }
}

/// The rule.
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
    if InferenceNode::from_plan(&plan).is_some() {
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
        LogicalPlan::Extension(_) if RowsNode::from_plan(&plan).is_some() => hoist_rows(&plan, names)?,
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
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// An operator with one input whose expressions are all evaluated for every row.
fn hoist_plain(plan: LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
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
fn hoist_filter(plan: LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
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

/// Predicates without a call. What can fail or change, behind another one, is evaluated only for the rows that passed
/// those before.
fn filter_lazily(input: LogicalPlan, predicate: Expr, names: &mut Names) -> Result<LogicalPlan> {
    let later = split_conjunction(&predicate).into_iter().skip(1);
    let is_harmless = later.into_iter().all(|p| guard::is_harmless(p, input.schema()));
    let mut hoister = Hoister::new(names, input.schema());
    let predicate = if is_harmless { predicate } else { hoister.decide(predicate, &Guard::default())? };
    LogicalPlanBuilder::from(hoister.wrap(input)?).filter(predicate)?.build()
}

fn filter_by_call(input: LogicalPlan, predicate: Expr, names: &mut Names) -> Result<LogicalPlan> {
    let mut hoister = Hoister::new(names, input.schema());
    let predicate = hoister.hoist(predicate, &Guard::default())?;
    LogicalPlanBuilder::from(hoister.wrap(input)?).filter(predicate)?.build()
}

/// A function in FROM whose arguments are calls themselves.
fn hoist_rows(plan: &LogicalPlan, names: &mut Names) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let Some(node) = RowsNode::from_plan(plan) else {
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
    restore_columns(node.into_plan(), &schema)
}

fn single_input(plan: &LogicalPlan) -> Result<LogicalPlan> {
    if let [input] = plan.inputs().as_slice() {
        Ok((*input).clone())
    } else {
        not_impl_err!("calls of a model in {} are not supported", plan.display())
    }
}

/// Takes the columns of answers away again where the operator would hand them on.
fn restore_columns(plan: LogicalPlan, schema: &datafusion::common::DFSchemaRef) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == schema.fields().len() {
        return Ok(plan);
    }
    let columns =
        schema.iter().map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())));
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
