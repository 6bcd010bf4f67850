//! What a system table is, and how queries read it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use hyprstream_engine::{Engine, Result as EngineResult};
use hyprstream_udfs::{Batches, EngineSource, EngineTable, Scan, external};

use crate::columns::Columns;
use crate::settings::Variables;

/// Rows that go into one batch.
const ROWS_TOGETHER: usize = 1024;

/// Rows as the engine gives them.
pub(super) type Rows<R> = Box<dyn Iterator<Item = EngineResult<R>> + Send>;

/// A system table whose rows are `R` in the engine.
pub(super) struct Table<R: 'static> {
    pub(super) name: &'static str,
    /// The unique column in whose order the rows come, in either direction, if they come in such an order.
    pub(super) key: Option<&'static str>,
    pub(super) columns: fn(Columns<R>) -> Columns<R>,
    /// The rows that a query reads. They may be more than what it asks for, never fewer.
    pub(super) rows: fn(&Read<'_>) -> EngineResult<Rows<R>>,
}

/// A query's reading of a table.
pub(super) struct Read<'a> {
    pub(super) engine: &'a Arc<Engine>,
    /// What the query asks for, so that the engine's call can be as narrow.
    pub(super) scan: &'a Scan,
    /// The settings of the session that asks.
    pub(super) variables: Option<Arc<Variables>>,
}

/// Rows that the engine gives as a list.
pub(super) fn listed<R: Send + 'static>(rows: Vec<R>) -> Rows<R> {
    Box::new(rows.into_iter().map(Ok))
}

/// A table of any rows.
pub(super) trait SystemTable: Sync {
    fn name(&self) -> &'static str;

    /// The table over an engine, as queries are planned over it.
    fn provider(&'static self, engine: &Arc<Engine>) -> Arc<dyn TableProvider>;
}

impl<R: Send + 'static> SystemTable for Table<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn provider(&'static self, engine: &Arc<Engine>) -> Arc<dyn TableProvider> {
        let schema = Columns::declared(self.columns).schema();
        Arc::new(EngineTable::new(Source { table: self, engine: Arc::clone(engine), schema }))
    }
}

struct Source<R: 'static> {
    table: &'static Table<R>,
    engine: Arc<Engine>,
    schema: SchemaRef,
}

impl<R> fmt::Debug for Source<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemTable").field(&self.table.name).finish()
    }
}

impl<R> fmt::Display for Source<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table.name)
    }
}

impl<R: Send + 'static> EngineSource for Source<R> {
    fn operator(&self) -> &'static str {
        "SystemTableExec"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn key(&self) -> Option<&'static str> {
        self.table.key
    }

    fn batches(&self, scan: &Scan, context: &TaskContext) -> Result<Batches> {
        let variables = context.session_config().get_extension::<Variables>();
        let read = Read { engine: &self.engine, scan, variables };
        let mut rows = (self.table.rows)(&read).map_err(external)?;
        let columns = Columns::declared(self.table.columns);
        let (schema, needed) = (Arc::clone(&self.schema), scan.columns_needed());
        Ok(Box::new(std::iter::from_fn(move || batch(&mut rows, &columns, &schema, &needed).transpose())))
    }
}

/// The next rows as a batch; `None` after the last.
fn batch<R: 'static>(
    rows: &mut Rows<R>,
    columns: &Columns<R>,
    schema: &SchemaRef,
    needed: &BTreeSet<usize>,
) -> Result<Option<RecordBatch>> {
    let together = rows.take(ROWS_TOGETHER).collect::<EngineResult<Vec<R>>>().map_err(external)?;
    if together.is_empty() {
        return Ok(None);
    }
    columns.batch(schema, &together, |i| needed.contains(&i)).map(Some)
}
