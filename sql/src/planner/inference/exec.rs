//! The physical operator: many rows under way at once, in order, handed on as they are ready.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{FutureExt, Stream, StreamExt};
use hyprstream_udfs::{Settings, StatementCall};

use crate::planner::inference::answers::Answers;
use crate::planner::inference::slice::{PlannedCall, Shared, Slice};
use crate::planner::memo::Memo;
use crate::planner::operator_call::OperatorCalls;

/// The most rows that are handed on together.
const ROWS_TOGETHER: usize = 1024;

/// Asks the model for a column a call.
#[derive(Debug)]
pub(crate) struct InferenceExec {
    input: Arc<dyn ExecutionPlan>,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    guards: Vec<Option<Arc<dyn PhysicalExpr>>>,
    calls: Arc<Vec<PlannedCall>>,
    wanted_rows: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    operator_calls: OperatorCalls,
}

impl InferenceExec {
    pub(crate) fn try_new(
        input: Arc<dyn ExecutionPlan>,
        expressions: Vec<Arc<dyn PhysicalExpr>>,
        guards: Vec<Option<Arc<dyn PhysicalExpr>>>,
        wanted_rows: Option<usize>,
        schema: SchemaRef,
    ) -> Result<Self> {
        let calls = expressions
            .iter()
            .zip(&guards)
            .map(|(call, guard)| PlannedCall::try_new(call, guard.clone(), &input.schema()))
            .collect::<Result<Vec<_>>>()?;
        for (call, field) in calls.iter().zip(schema.fields().iter().skip(input.schema().fields().len())) {
            if call.data_type() != field.data_type() {
                return internal_err!(
                    "a call gives {}, its column has {}",
                    call.data_type(),
                    field.data_type()
                );
            }
        }
        let properties = properties(&input, &schema)?;
        let metrics = ExecutionPlanMetricsSet::new();
        let calls = Arc::new(calls);
        let operator_calls = OperatorCalls::default();
        Ok(Self {
            input,
            expressions,
            guards,
            calls,
            wanted_rows,
            schema,
            properties,
            metrics,
            operator_calls,
        })
    }

    fn slices(&self, input: SendableRecordBatchStream) -> Slices {
        let rows = self.calls.iter().map(PlannedCall::rows_per_call).min().unwrap_or(1);
        Slices { input, calls: Arc::clone(&self.calls), rows_per_slice: rows, ready: VecDeque::new() }
    }
}

/// The input's order and partitions, with the columns of answers after its own.
pub(super) fn properties(input: &Arc<dyn ExecutionPlan>, schema: &SchemaRef) -> Result<Arc<PlanProperties>> {
    let mut equivalences = EquivalenceProperties::new(Arc::clone(schema));
    let before = input.properties().equivalence_properties();
    equivalences.add_equivalence_group(before.eq_group().clone())?;
    equivalences.add_orderings(before.oeq_class().iter().cloned());
    Ok(Arc::new(PlanProperties::new(
        equivalences,
        input.properties().output_partitioning().clone(),
        EmissionType::Incremental,
        input.properties().boundedness,
    )))
}

impl DisplayAs for InferenceExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(format, DisplayFormatType::Default | DisplayFormatType::Verbose) {
            write!(f, "InferenceExec: ")?;
        }
        for (i, (call, guard)) in self.expressions.iter().zip(&self.guards).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{call}")?;
            if let Some(guard) = guard {
                write!(f, " WHEN {guard}")?;
            }
        }
        match self.wanted_rows {
            Some(rows) => write!(f, ", wanted_rows={rows}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for InferenceExec {
    fn name(&self) -> &'static str {
        "InferenceExec"
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
        self.expressions.iter().chain(self.guards.iter().flatten()).apply_until_stop(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return internal_err!("an inference operator lost its input");
        };
        Ok(Arc::new(Self::try_new(
            input,
            self.expressions.clone(),
            self.guards.clone(),
            self.wanted_rows,
            Arc::clone(&self.schema),
        )?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let config = context.session_config();
        let call = self.operator_calls.begin(config.options());
        let mut options = ConfigOptions::clone(config.options());
        options.extensions.insert(StatementCall::new(Arc::clone(&call)));
        let shared = Arc::new(Shared {
            settings: Settings::from_options(&options),
            config: Arc::new(options),
            memo: config.get_extension::<Memo>().unwrap_or_default(),
            call,
        });
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let (calls, schema) = (Arc::clone(&self.calls), Arc::clone(&self.schema));
        let answers = Answers::new(
            self.slices(self.input.execute(partition, context)?),
            self.wanted_rows,
            Box::new(move |slice: Slice| {
                slice.answer(Arc::clone(&calls), Arc::clone(&shared), Arc::clone(&schema)).boxed()
            }),
        );
        let schema = Arc::clone(&self.schema);
        let rows_together = self.wanted_rows.unwrap_or(ROWS_TOGETHER).clamp(1, ROWS_TOGETHER);
        let batches = answers.ready_chunks(rows_together).map(move |chunk| {
            let _timer = baseline.elapsed_compute().timer();
            together(&schema, chunk).record_output(&baseline)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.operator_calls.add_to(self.metrics.clone_inner()))
    }
}

fn together(schema: &SchemaRef, chunk: Vec<Result<RecordBatch>>) -> Result<RecordBatch> {
    let mut batches = chunk.into_iter().collect::<Result<Vec<_>>>()?;
    match (batches.len(), batches.pop()) {
        (1, Some(batch)) => Ok(batch),
        (_, last) => Ok(concat_batches(schema, batches.iter().chain(&last))?),
    }
}

/// The input cut into the rows that one call takes.
struct Slices {
    input: SendableRecordBatchStream,
    calls: Arc<Vec<PlannedCall>>,
    rows_per_slice: usize,
    ready: VecDeque<Slice>,
}

impl Slices {
    fn cut(&mut self, batch: RecordBatch) -> Result<()> {
        let inputs = Arc::new(self.calls.iter().map(|call| call.input(&batch)).collect::<Result<Vec<_>>>()?);
        let batch = Arc::new(batch);
        let rows = batch.num_rows();
        for start in (0..rows).step_by(self.rows_per_slice) {
            self.ready.push_back(Slice {
                batch: Arc::clone(&batch),
                inputs: Arc::clone(&inputs),
                rows: start..(start + self.rows_per_slice).min(rows),
            });
        }
        Ok(())
    }
}

impl Stream for Slices {
    type Item = Result<Slice>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(slice) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(slice)));
            }
            match futures::ready!(self.input.poll_next_unpin(cx)) {
                None => return Poll::Ready(None),
                Some(batch) => {
                    if let Err(error) = batch.and_then(|batch| self.cut(batch)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}
