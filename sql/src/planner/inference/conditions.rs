//! The operator that decides on calls: each condition is evaluated once, and only for the rows that reach it.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

use crate::planner::inference::exec::properties;

/// A condition, and the rows that reach it; all do without a guard.
type Condition = (Arc<dyn PhysicalExpr>, Option<Arc<dyn PhysicalExpr>>);

/// Adds a column a condition, NULL where it is not reached.
#[derive(Debug)]
pub(crate) struct ConditionsExec {
    input: Arc<dyn ExecutionPlan>,
    conditions: Arc<Vec<Condition>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ConditionsExec {
    pub(crate) fn try_new(
        input: Arc<dyn ExecutionPlan>,
        conditions: Vec<Condition>,
        schema: SchemaRef,
    ) -> Result<Self> {
        Ok(Self { properties: properties(&input, &schema)?, input, conditions: Arc::new(conditions), schema })
    }
}

impl DisplayAs for ConditionsExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(format, DisplayFormatType::Default | DisplayFormatType::Verbose) {
            write!(f, "ConditionsExec: ")?;
        }
        for (i, (condition, guard)) in self.conditions.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{condition}")?;
            if let Some(guard) = guard {
                write!(f, " WHEN {guard}")?;
            }
        }
        Ok(())
    }
}

impl ExecutionPlan for ConditionsExec {
    fn name(&self) -> &'static str {
        "ConditionsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let expressions = self.conditions.iter();
        expressions.flat_map(|(condition, guard)| std::iter::once(condition).chain(guard)).apply_until_stop(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return internal_err!("an operator of conditions lost its input");
        };
        let conditions = self.conditions.as_ref().clone();
        Ok(Arc::new(Self::try_new(input, conditions, Arc::clone(&self.schema))?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (conditions, schema) = (Arc::clone(&self.conditions), Arc::clone(&self.schema));
        let batches = self.input.execute(partition, context)?;
        let batches = batches.map(move |batch| decided(&batch?, &conditions, &schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// A batch with a column a condition.
fn decided(batch: &RecordBatch, conditions: &[Condition], schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut columns = batch.columns().to_vec();
    for (condition, guard) in conditions {
        let value = match guard {
            None => condition.evaluate(batch)?,
            Some(guard) => {
                let reached = guard.evaluate(batch)?.into_array(rows)?;
                let reached = reached.as_boolean().iter().map(|row| Some(row == Some(true)));
                condition.evaluate_selection(batch, &reached.collect::<BooleanArray>())?
            }
        };
        columns.push(value.into_array(rows)?);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
