//! The operator that reads a table from the engine.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SortOrderPushdownResult,
};

use crate::engine_table::scan::Scan;
use crate::engine_table::source::EngineSource;

/// Batches that are read ahead of the query.
const BATCHES_AHEAD: usize = 2;

#[derive(Debug, Clone)]
pub(super) struct EngineTableExec {
    source: Arc<dyn EngineSource>,
    scan: Scan,
    properties: Arc<PlanProperties>,
}

impl EngineTableExec {
    pub(super) fn try_new(source: Arc<dyn EngineSource>, scan: Scan) -> Result<Self> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.projected_schema()?),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { source, scan, properties: Arc::new(properties) })
    }
}

impl DisplayAs for EngineTableExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, scan, .. } = self;
        let columns: Vec<&str> =
            scan.projection.iter().map(|i| scan.schema.field(*i).name().as_str()).collect();
        write!(f, "{}: {source}, projection=[{}]", source.operator(), columns.join(", "))?;
        f.write_str(&source.narrowed(scan))?;
        if !scan.predicates.is_empty() {
            let predicates: Vec<String> = scan.predicates.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", predicates.join(", "))?;
        }
        if scan.descending {
            write!(f, ", descending")?;
        }
        match scan.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for EngineTableExec {
    fn name(&self) -> &'static str {
        self.source.operator()
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
        let mut plan = self.clone();
        plan.scan.limit = limit;
        Some(Arc::new(plan))
    }

    /// Rows that come by a unique key come in that key's order, whatever keys follow it.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let column = order.first().and_then(|first| first.expr.downcast_ref::<Column>());
        let (Some(first), Some(column), Some(key)) = (order.first(), column, self.source.key()) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        if column.name() != key || self.scan.limit.is_some() {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let mut plan = self.clone();
        plan.scan.descending = first.options.descending;
        let mut equivalences = EquivalenceProperties::new(self.schema());
        equivalences.add_ordering(order.iter().cloned());
        plan.properties = Arc::new(PlanProperties::clone(&plan.properties).with_eq_properties(equivalences));
        Ok(SortOrderPushdownResult::Exact { inner: Arc::new(plan) })
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut batches = RecordBatchReceiverStreamBuilder::new(self.schema(), BATCHES_AHEAD);
        let sender = batches.tx();
        let (source, scan) = (Arc::clone(&self.source), self.scan.clone());
        batches.spawn_blocking(move || {
            read(source.as_ref(), &scan, &context, |batch| sender.blocking_send(Ok(batch)).is_ok())
        });
        Ok(batches.build())
    }
}

/// Sends the rows that the query asks for, until `send` says that they are no longer taken.
fn read(
    source: &dyn EngineSource,
    scan: &Scan,
    context: &TaskContext,
    send: impl Fn(RecordBatch) -> bool,
) -> Result<()> {
    let mut left = scan.limit.unwrap_or(usize::MAX);
    let mut batches = source.batches(scan, context)?;
    while left > 0 {
        let Some(batch) = batches.next() else { break };
        let batch = scan.take(batch?, left)?;
        left -= batch.num_rows();
        if batch.num_rows() > 0 && !send(batch) {
            break;
        }
    }
    Ok(())
}
