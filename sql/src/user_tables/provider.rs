//! A stored table as plans read it and insert into it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, not_impl_err};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;

use crate::user_tables::part::{Part, Pins};
use crate::user_tables::store::{StoredTable, UserTables};
use crate::user_tables::writer::PartWriter;

/// A stored table at the moment that a statement was planned.
#[derive(Debug)]
pub(crate) struct StoredProvider {
    table: Arc<StoredTable>,
    tables: Arc<UserTables>,
    defaults: HashMap<String, Expr>,
}

impl StoredProvider {
    pub(crate) fn new(
        table: Arc<StoredTable>,
        tables: Arc<UserTables>,
        defaults: HashMap<String, Expr>,
    ) -> Self {
        Self { table, tables, defaults }
    }

    /// Reads the parts that the table has at this moment.
    fn reader(&self, session: &dyn Session) -> Result<ListingTable> {
        if let Some(pins) = session.config().get_extension::<Pins>() {
            pins.hold(&self.table.parts);
        }
        let urls = self.table.parts.iter().map(|part| ListingTableUrl::parse(part.path().to_string_lossy()));
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
            .with_listing_options(options)
            .with_schema(Arc::clone(&self.table.schema));
        ListingTable::try_new(config)
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
        if self.table.parts.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.table.schema.project(columns)?),
                None => Arc::clone(&self.table.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let is_there = |part: &Arc<Part>| part.path().is_file();
        if !self.table.parts.iter().all(is_there)
            && let Some(error) = self.table.broken_part()
        {
            return Err(error.into());
        }
        let scan = self.reader(session)?;
        let scan = scan.scan(session, projection, filters, limit).await;
        scan.map_err(|error| self.table.broken_part().map_or(error, DataFusionError::from))
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
        let mut writer = PartWriter::try_new(self.tables.directory(), &self.table.schema)?;
        while let Some(batch) = data.next().await {
            writer.write(&batch?)?;
        }
        Ok(self.tables.append(&self.table.name, &self.table.schema, writer)?)
    }
}
