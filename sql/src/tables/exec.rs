//! Reading a system table.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SortOrderPushdownResult,
};
use hyprstream_udfs::external;

use super::columns::Column;
use super::source::{Context, Source};

/// Rows that go into one batch.
const ROWS_TOGETHER: usize = 1024;

/// What is read of a table.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) name: &'static str,
    pub(super) schema: SchemaRef,
    pub(super) projection: Option<Vec<usize>>,
    pub(super) predicates: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) limit: Option<usize>,
}

impl Scan {
    fn projected(&self) -> Result<SchemaRef> {
        match &self.projection {
            Some(columns) => Ok(Arc::new(self.schema.project(columns)?)),
            None => Ok(Arc::clone(&self.schema)),
        }
    }

    /// The columns that are looked at: those that are asked for, and those that a filter reads.
    pub(super) fn needed(&self) -> BTreeSet<usize> {
        let mut needed: BTreeSet<usize> = match &self.projection {
            Some(columns) => columns.iter().copied().collect(),
            None => (0..self.schema.fields().len()).collect(),
        };
        needed.extend(self.predicates.iter().flat_map(collect_columns).map(|column| column.index()));
        needed
    }

    /// Makes a batch of rows, leaves out those that a filter refuses, and takes the columns that are asked for.
    fn batch<R>(&self, columns: &[Column<R>], needed: &BTreeSet<usize>, rows: &[R]) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = columns
            .iter()
            .enumerate()
            .map(|(i, column)| {
                if needed.contains(&i) {
                    column.build(rows)
                } else {
                    new_null_array(column.field.data_type(), rows.len())
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let mut batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        for predicate in &self.predicates {
            let keep = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            batch = filter_record_batch(&batch, keep.as_boolean())?;
        }
        match &self.projection {
            Some(columns) => Ok(batch.project(columns)?),
            None => Ok(batch),
        }
    }
}

/// Reads a system table.
pub(super) struct SystemTableExec<S: Source> {
    scan: Scan,
    context: Context,
    properties: Arc<PlanProperties>,
    source: PhantomData<S>,
}

impl<S: Source> SystemTableExec<S> {
    pub(super) fn try_new(scan: Scan, context: Context) -> Result<Self> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.projected()?),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { scan, context, properties: Arc::new(properties), source: PhantomData })
    }

    fn copy(&self) -> Self {
        Self {
            scan: self.scan.clone(),
            context: self.context.clone(),
            properties: Arc::clone(&self.properties),
            source: PhantomData,
        }
    }
}

impl<S: Source> fmt::Debug for SystemTableExec<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemTableExec").field(&self.scan).finish()
    }
}

impl<S: Source> DisplayAs for SystemTableExec<S> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemTableExec: {}", self.scan.name)?;
        let names: Vec<&str> = self
            .properties
            .eq_properties
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(f, ", projection=[{}]", names.join(", "))?;
        if !self.scan.predicates.is_empty() {
            let predicates: Vec<String> = self.scan.predicates.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", predicates.join(", "))?;
        }
        if self.context.descending {
            write!(f, ", descending")?;
        }
        match self.scan.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl<S: Source> ExecutionPlan for SystemTableExec<S> {
    fn name(&self) -> &'static str {
        "SystemTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.scan.predicates.iter().apply_until_stop(f)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn fetch(&self) -> Option<usize> {
        self.scan.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let mut plan = self.copy();
        plan.scan.limit = limit;
        plan.context.narrow.limit = limit.filter(|_| plan.scan.predicates.is_empty());
        Some(Arc::new(plan))
    }

    /// Rows that come by a unique key come in that key's order, whatever stands behind it.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let column = order.first().and_then(|first| first.expr.downcast_ref::<ColumnExpr>());
        let (Some(first), Some(column), Some(key)) = (order.first(), column, S::KEY) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        if column.name() != key || self.scan.limit.is_some() {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let mut plan = self.copy();
        plan.context.descending = first.options.descending;
        let mut equivalences = EquivalenceProperties::new(self.scan.projected()?);
        equivalences.add_ordering(order.iter().cloned());
        plan.properties = Arc::new(PlanProperties::clone(&plan.properties).with_eq_properties(equivalences));
        Ok(SortOrderPushdownResult::Exact { inner: Arc::new(plan) })
    }

    /// The engine reads from disk, so this runs beside the threads that answer; it stops when nobody reads on.
    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut batches = RecordBatchReceiverStreamBuilder::new(self.scan.projected()?, 2);
        let sender = batches.tx();
        let (scan, context) = (self.scan.clone(), self.context.clone());
        batches.spawn_blocking(move || {
            read::<S>(&scan, &context, |batch| sender.blocking_send(Ok(batch)).is_ok())
        });
        Ok(batches.build())
    }
}

fn read<S: Source>(scan: &Scan, context: &Context, mut send: impl FnMut(RecordBatch) -> bool) -> Result<()> {
    let columns = S::columns();
    let needed = scan.needed();
    let mut left = scan.limit.unwrap_or(usize::MAX);
    let mut rows = S::rows(context).map_err(external)?;
    while left > 0 {
        let together: Vec<S::Row> =
            rows.by_ref().take(ROWS_TOGETHER).collect::<Result<_, _>>().map_err(external)?;
        if together.is_empty() {
            break;
        }
        let batch = scan.batch(&columns, &needed, &together)?;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        if batch.num_rows() > 0 && !send(batch) {
            break;
        }
    }
    Ok(())
}
