//! The operator that reads weights.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNodeIterator, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use hyprstream_engine::{Engine, WeightFilter};

use super::WeightSource;
use super::filter::described;

#[derive(Debug)]
pub(super) struct WeightsExec<S> {
    engine: Arc<Engine>,
    source: Arc<S>,
    narrow: WeightFilter,
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    projection: Vec<usize>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl<S: WeightSource> WeightsExec<S> {
    pub(super) fn try_new(
        (engine, source): (Arc<Engine>, Arc<S>),
        narrow: WeightFilter,
        predicates: Vec<Arc<dyn PhysicalExpr>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let schema = S::schema();
        let projection = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema.project(&projection)?)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { engine, source, narrow, predicates, projection, limit, properties: Arc::new(properties) })
    }
}

impl<S: WeightSource> DisplayAs for WeightsExec<S> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", S::OPERATOR, self.source, described(&self.narrow))?;
        if !self.predicates.is_empty() {
            let predicates: Vec<String> = self.predicates.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", predicates.join(", "))?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl<S: WeightSource> ExecutionPlan for WeightsExec<S> {
    fn name(&self) -> &'static str {
        S::OPERATOR
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
        self.predicates.iter().apply_until_stop(f)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// The store is read beside the threads that answer; reading stops when nobody reads on.
    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), 2);
        let sender = builder.tx();
        let (engine, source, narrow) =
            (Arc::clone(&self.engine), Arc::clone(&self.source), self.narrow.clone());
        let (predicates, projection) = (self.predicates.clone(), self.projection.clone());
        let mut left = self.limit.unwrap_or(usize::MAX);
        builder.spawn_blocking(move || {
            for batch in source.batches(&engine, &narrow)? {
                let mut batch = batch?;
                for predicate in &predicates {
                    let keep = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                    batch = filter_record_batch(&batch, keep.as_boolean())?;
                }
                let batch = batch.slice(0, batch.num_rows().min(left)).project(&projection)?;
                left -= batch.num_rows();
                if (batch.num_rows() > 0 && sender.blocking_send(Ok(batch)).is_err()) || left == 0 {
                    break;
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}
