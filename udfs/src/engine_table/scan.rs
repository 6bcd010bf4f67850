//! What a query reads of a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;

use crate::engine_table::bounds::Bounds;

/// What a query reads of a table.
#[derive(Debug, Clone)]
pub struct Scan {
    pub(super) schema: SchemaRef,
    pub(super) bounds: Bounds,
    pub(super) predicates: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) projection: Vec<usize>,
    pub(super) limit: Option<usize>,
    pub(super) descending: bool,
}

impl Scan {
    /// What its filters say of columns.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether the rows are wanted with the highest key first.
    pub fn descending(&self) -> bool {
        self.descending
    }

    /// How many rows are enough. Unknown while a filter may refuse some of them.
    pub fn rows_needed(&self) -> Option<usize> {
        self.limit.filter(|_| self.predicates.is_empty())
    }

    /// The positions of the columns that the query looks at: those that it asks for, and those that a filter reads.
    pub fn columns_needed(&self) -> BTreeSet<usize> {
        let filtered = self.predicates.iter().flat_map(collect_columns).map(|column| column.index());
        self.projection.iter().copied().chain(filtered).collect()
    }

    /// Whether the query looks at a column.
    pub fn needs(&self, column: &str) -> bool {
        self.columns_needed().iter().any(|i| self.schema.field(*i).name() == column)
    }

    /// The scan of all columns under these filters.
    #[cfg(test)]
    pub(crate) fn filtered(schema: SchemaRef, filters: &[datafusion::logical_expr::Expr]) -> Self {
        let projection = (0..schema.fields().len()).collect();
        let bounds = Bounds::new(filters);
        Self { schema, bounds, predicates: Vec::new(), projection, limit: None, descending: false }
    }

    pub(super) fn projected_schema(&self) -> Result<SchemaRef> {
        Ok(Arc::new(self.schema.project(&self.projection)?))
    }

    /// The rows of a batch that pass the filters, at most `limit` of them, with the columns that are asked for.
    pub(super) fn take(&self, mut batch: RecordBatch, limit: usize) -> Result<RecordBatch> {
        for predicate in &self.predicates {
            let keep = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            batch = filter_record_batch(&batch, keep.as_boolean())?;
        }
        Ok(batch.slice(0, batch.num_rows().min(limit)).project(&self.projection)?)
    }
}
