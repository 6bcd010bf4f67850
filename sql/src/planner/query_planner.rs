//! From the optimized plan to physical operators, none of which holds rows back above the model.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, FetchType, LogicalPlan, SkipType, UserDefinedLogicalNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::planner::inference::conditions::ConditionsExec;
use crate::planner::inference::exec::InferenceExec;
use crate::planner::inference::node::InferenceNode;
use crate::planner::model_rows::exec::ModelRowsExec;
use crate::planner::model_rows::node::ModelRowsNode;
use crate::planner::nodes::{asks_model, extension, into_plan};

/// Plans statements that may ask the model.
#[derive(Debug)]
pub(crate) struct QueryPlanning;

#[async_trait]
impl QueryPlanner for QueryPlanning {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(ModelOperators)]);
        if !uses_model(plan)? {
            return planner.create_physical_plan(plan, session).await;
        }
        let plan = mark_wanted_rows(plan.clone(), None)?;
        let plan = planner.create_physical_plan(&plan, session).await?;
        hand_on_at_once(plan)
    }
}

/// True when a statement asks the model, before or after calls were hoisted.
pub(crate) fn uses_model(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found =
            found || extension::<InferenceNode>(node).is_some() || extension::<ModelRowsNode>(node).is_some();
        node.apply_expressions(|expr| {
            found = found || asks_model(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Tells the operators under a LIMIT how many rows are wanted, where nothing between needs all rows first.
fn mark_wanted_rows(plan: LogicalPlan, wanted: Option<usize>) -> Result<LogicalPlan> {
    let wanted = match &plan {
        LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) => Some(skip.saturating_add(fetch)),
            _ => wanted,
        },
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Extension(_) => wanted,
        _ => None,
    };
    let fewer = |before: Option<usize>| before.into_iter().chain(wanted).min();
    let marked = if let Some(node) = extension::<InferenceNode>(&plan) {
        let mut node = node.clone();
        node.wanted_rows = fewer(node.wanted_rows);
        into_plan(node)
    } else if let Some(node) = extension::<ModelRowsNode>(&plan) {
        let mut node = node.clone();
        node.wanted_rows = fewer(node.wanted_rows);
        into_plan(node)
    } else {
        plan
    };
    Ok(marked.map_children(|child| Ok(Transformed::yes(mark_wanted_rows(child, wanted)?)))?.data)
}

/// Filters above the model pass each row on as it comes, instead of gathering a batch.
fn hand_on_at_once(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let rewritten = plan.transform_up(|plan| {
        let Some(filter) = plan.downcast_ref::<FilterExec>() else {
            return Ok(Transformed::no(plan));
        };
        if !runs_model(filter.input())? {
            return Ok(Transformed::no(plan));
        }
        let filter: Arc<dyn ExecutionPlan> = Arc::new(filter.with_batch_size(1)?);
        Ok(Transformed::yes(filter))
    })?;
    Ok(rewritten.data)
}

fn runs_model(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|p| Ok(p.is::<InferenceExec>() || p.is::<ModelRowsExec>()))
}

/// Our nodes to our operators.
struct ModelOperators;

#[async_trait]
impl ExtensionPlanner for ModelOperators {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(node) = node.as_any().downcast_ref::<InferenceNode>() {
            let expressions = Expressions { planner, schema: node.input.schema(), session, context };
            return inference(node, &expressions, inputs).map(Some);
        }
        if let Some(node) = node.as_any().downcast_ref::<ModelRowsNode>() {
            let empty = DFSchema::empty();
            let schema = node.input.as_ref().map_or(&empty, |input| input.schema());
            let expressions = Expressions { planner, schema, session, context };
            return rows(node, &expressions, inputs).map(Some);
        }
        Ok(None)
    }
}

struct Expressions<'a> {
    planner: &'a dyn PhysicalPlanner,
    schema: &'a DFSchema,
    session: &'a dyn Session,
    context: &'a PhysicalPlanningContext,
}

impl Expressions<'_> {
    fn plan(&self, expr: &Expr) -> Result<Arc<dyn PhysicalExpr>> {
        self.planner.create_physical_expr(expr, self.schema, self.session, self.context)
    }
}

fn inference(
    node: &InferenceNode,
    expressions: &Expressions<'_>,
    inputs: &[Arc<dyn ExecutionPlan>],
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut calls = Vec::with_capacity(node.calls.len());
    let mut guards = Vec::with_capacity(node.calls.len());
    for call in &node.calls {
        calls.push(expressions.plan(&call.expr)?);
        guards.push(call.guard.as_ref().map(|guard| expressions.plan(guard)).transpose()?);
    }
    let schema = schema_of(&Extension { node: Arc::new(node.clone()) });
    let input = Arc::clone(&inputs[0]);
    if !node.asks_model() {
        let conditions = calls.into_iter().zip(guards).collect();
        return Ok(Arc::new(ConditionsExec::try_new(input, conditions, schema)?));
    }
    Ok(Arc::new(InferenceExec::try_new(input, calls, guards, node.wanted_rows, schema)?))
}

fn rows(
    node: &ModelRowsNode,
    expressions: &Expressions<'_>,
    inputs: &[Arc<dyn ExecutionPlan>],
) -> Result<Arc<dyn ExecutionPlan>> {
    let arguments = node.arguments.iter().map(|a| expressions.plan(a)).collect::<Result<Vec<_>>>()?;
    let schema = schema_of(&Extension { node: Arc::new(node.clone()) });
    let function = Arc::clone(&node.function);
    let input = inputs.first().cloned();
    Ok(Arc::new(ModelRowsExec::new(function, arguments, input, node.keeps_empty, node.wanted_rows, schema)))
}

fn schema_of(extension: &Extension) -> SchemaRef {
    Arc::new(extension.node.schema().as_arrow().clone())
}
