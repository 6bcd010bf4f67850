//! Tables as plans read them and insert into them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, not_impl_err};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;

use crate::error::Error;
use crate::user_tables::reader::Scan;
use crate::user_tables::store::UserTables;
use crate::user_tables::table::{PartsNow, StoredTable};

/// A stored table. A statement reads the parts that the table has when it first scans it.
#[derive(Debug)]
pub(crate) struct StoredProvider {
    table: Arc<StoredTable>,
    tables: Arc<UserTables>,
    defaults: HashMap<String, Expr>,
    /// Kept, so that a statement that reads the table twice reads the same rows.
    parts: OnceLock<PartsNow>,
}

impl StoredProvider {
    pub(crate) fn new(
        table: Arc<StoredTable>,
        tables: Arc<UserTables>,
        defaults: HashMap<String, Expr>,
    ) -> Self {
        Self { table, tables, defaults, parts: OnceLock::new() }
    }
}

#[async_trait]
impl TableProvider for StoredProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.get(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = self.parts.get_or_init(|| self.table.now()).parts.clone();
        let schema = &self.table.schema;
        if parts.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(schema.project(columns)?),
                None => Arc::clone(schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let scan = Scan { session, projection, limit, has_filters: !filters.is_empty() };
        scan.plan(schema, parts).await
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if operation != InsertOp::Append {
            return not_impl_err!("{operation} is not supported");
        }
        let sink = Append { table: Arc::clone(&self.table), tables: Arc::clone(&self.tables) };
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

/// Adds rows to a table: all of them at once when they are all there, or none.
#[derive(Debug)]
struct Append {
    table: Arc<StoredTable>,
    tables: Arc<UserTables>,
}

impl DisplayAs for Append {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "append to {}", self.table.name)
    }
}

#[async_trait]
impl DataSink for Append {
    fn schema(&self) -> &SchemaRef {
        &self.table.schema
    }

    async fn write_all(&self, mut data: SendableRecordBatchStream, _: &Arc<TaskContext>) -> Result<u64> {
        let mut writer = self.tables.writer(&self.table)?;
        while let Some(batch) = data.next().await {
            writer.write(&batch?)?;
        }
        Ok(self.tables.append(&self.table.name, &self.table.schema, writer)?)
    }
}

/// A table that cannot be read. It is listed like any other, and reading it gives the reason.
#[derive(Debug)]
pub(crate) struct BrokenProvider {
    schema: SchemaRef,
    reason: Error,
}

impl BrokenProvider {
    /// A table with the columns that are known of it.
    pub(crate) fn new(schema: SchemaRef, reason: Error) -> Self {
        Self { schema, reason }
    }
}

#[async_trait]
impl TableProvider for BrokenProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(self.reason.clone().into())
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        _: Arc<dyn ExecutionPlan>,
        _: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(self.reason.clone().into())
    }
}
