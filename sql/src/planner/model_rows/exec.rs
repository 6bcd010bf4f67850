//! The physical operator of a function in FROM: rows as the model makes them.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatchOptions, UInt32Array, new_null_array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use hyprstream_engine::CallContext;
use hyprstream_udfs::{Rows, Settings, StreamingFunction};

use crate::planner::operator_call::OperatorCalls;

/// Calls under way at once. Their rows still come in the order of the input's rows.
const WINDOW: usize = 32;

/// Asks the model for rows.
#[derive(Debug)]
pub(crate) struct ModelRowsExec {
    function: Arc<dyn StreamingFunction>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    input: Option<Arc<dyn ExecutionPlan>>,
    keeps_empty: bool,
    wanted_rows: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    operator_calls: OperatorCalls,
}

impl ModelRowsExec {
    pub(crate) fn new(
        function: Arc<dyn StreamingFunction>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        input: Option<Arc<dyn ExecutionPlan>>,
        keeps_empty: bool,
        wanted_rows: Option<usize>,
        schema: SchemaRef,
    ) -> Self {
        let partitions = input.as_ref().map_or(1, |i| i.properties().output_partitioning().partition_count());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            function,
            arguments,
            input,
            keeps_empty,
            wanted_rows,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            operator_calls: OperatorCalls::default(),
        }
    }
}

impl DisplayAs for ModelRowsExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function.function();
        if matches!(format, DisplayFormatType::Default | DisplayFormatType::Verbose) {
            write!(f, "ModelRowsExec: ")?;
        }
        write!(f, "{}(", function.name)?;
        let mut comma = "";
        for (parameter, argument) in function.parameters.iter().zip(&self.arguments) {
            let argument = argument.to_string();
            if argument != "NULL" {
                write!(f, "{comma}{} => {argument}", parameter.name)?;
                comma = ", ";
            }
        }
        write!(f, ")")?;
        if self.keeps_empty { write!(f, ", left") } else { Ok(()) }
    }
}

impl ExecutionPlan for ModelRowsExec {
    fn name(&self) -> &'static str {
        "ModelRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.input.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true; self.children().len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children().len()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.arguments.iter().apply_until_stop(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next();
        if input.is_some() != self.input.is_some() {
            return internal_err!("a function in FROM lost its input");
        }
        Ok(Arc::new(Self::new(
            Arc::clone(&self.function),
            self.arguments.clone(),
            input,
            self.keeps_empty,
            self.wanted_rows,
            Arc::clone(&self.schema),
        )))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let options = Arc::clone(context.session_config().options());
        let input = match &self.input {
            Some(input) => input.execute(partition, context)?,
            None => one_empty_row()?,
        };
        let call = Arc::new(Call {
            function: Arc::clone(&self.function),
            arguments: self.arguments.clone(),
            keeps_empty: self.keeps_empty,
            schema: Arc::clone(&self.schema),
            settings: Settings::from_options(&options),
            context: self.operator_calls.begin(&options),
        });
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let window = self.wanted_rows.map_or(WINDOW, |rows| rows.clamp(1, WINDOW));
        let rows = input
            .map_ok(move |batch| rows_of(&call, &batch))
            .try_flatten()
            .map(|start| async move { start?.run().await })
            .buffered(window)
            .try_flatten()
            .map(move |batch| batch.record_output(&baseline));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.operator_calls.add_to(self.metrics.clone_inner()))
    }
}

struct Call {
    function: Arc<dyn StreamingFunction>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    keeps_empty: bool,
    schema: SchemaRef,
    settings: Settings,
    context: Arc<CallContext>,
}

/// One row of the input, about to be asked.
struct Start {
    call: Arc<Call>,
    row: RecordBatch,
    values: Vec<ScalarValue>,
}

fn rows_of(call: &Arc<Call>, batch: &RecordBatch) -> impl futures::Stream<Item = Result<Start>> + use<> {
    let starts = starts(call, batch).unwrap_or_else(|error| vec![Err(error)]);
    futures::stream::iter(starts)
}

fn starts(call: &Arc<Call>, batch: &RecordBatch) -> Result<Vec<Result<Start>>> {
    let rows = batch.num_rows();
    let mut columns = Vec::with_capacity(call.arguments.len());
    for (argument, parameter) in call.arguments.iter().zip(call.function.function().parameters) {
        let column = argument.evaluate(batch)?.into_array(rows)?;
        columns.push(parameter.cast(&column)?);
    }
    let start = |row: usize| {
        let values = columns.iter().map(|c| ScalarValue::try_from_array(c, row)).collect::<Result<_>>()?;
        Ok(Start { call: Arc::clone(call), row: batch.slice(row, 1), values })
    };
    Ok((0..rows).map(start).collect())
}

impl Start {
    /// The rows of one call, with the input's row before each.
    async fn run(self) -> Result<Rows> {
        let Self { call, row, values } = self;
        call.context.count_calls(1);
        let rows = call.function.start(&values, &call.settings, &call.context).await?;
        if !call.keeps_empty {
            return Ok(rows.map(move |rows| joined(&call.schema, &row, &rows?)).boxed());
        }
        let mut rows = rows.peekable();
        if std::pin::Pin::new(&mut rows).peek().await.is_some() {
            return Ok(rows.map(move |rows| joined(&call.schema, &row, &rows?)).boxed());
        }
        let empty = without_rows(&call.schema, &row);
        Ok(futures::stream::once(async { empty }).boxed())
    }
}

fn joined(schema: &SchemaRef, row: &RecordBatch, rows: &RecordBatch) -> Result<RecordBatch> {
    let first = UInt32Array::from(vec![0; rows.num_rows()]);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for column in row.columns() {
        columns.push(take(column, &first, None)?);
    }
    columns.extend(rows.columns().iter().cloned());
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn without_rows(schema: &SchemaRef, row: &RecordBatch) -> Result<RecordBatch> {
    let types: Vec<&DataType> = schema.fields().iter().map(|f| f.data_type()).collect();
    let mut columns = row.columns().to_vec();
    columns.extend(types.iter().skip(row.num_columns()).map(|t| new_null_array(t, 1)));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn one_empty_row() -> Result<SendableRecordBatchStream> {
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]))))
}
