//! A table over the engine as queries are planned over it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::engine_table::bounds::Bounds;
use crate::engine_table::exec::EngineTableExec;
use crate::engine_table::scan::Scan;
use crate::engine_table::source::EngineSource;

/// A table whose rows are read from the engine.
#[derive(Debug)]
pub struct EngineTable {
    source: Arc<dyn EngineSource>,
}

impl EngineTable {
    /// The table over a source.
    pub fn new(source: impl EngineSource + 'static) -> Self {
        Self { source: Arc::new(source) }
    }
}

#[async_trait]
impl TableProvider for EngineTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.source.schema();
        let columns = DFSchema::try_from(Arc::clone(&schema))?;
        let predicates = filters.iter().map(|f| session.create_physical_expr(f.clone(), &columns));
        let scan = Scan {
            bounds: Bounds::new(filters),
            predicates: predicates.collect::<Result<_>>()?,
            projection: projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect()),
            schema,
            limit,
            descending: false,
        };
        Ok(Arc::new(EngineTableExec::try_new(Arc::clone(&self.source), scan)?))
    }
}
