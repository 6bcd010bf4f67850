//! Catalogs, schemas, tables and keys, as Flight SQL asks for them.

use std::sync::Arc;

use arrow_flight::sql::{CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hyprstream_sql::Session;
use tonic::{Response, Status};

use crate::flight::error::status;
use crate::flight::statements::{FlightStream, batches, query};

const TABLES: &str = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables \
                      ORDER BY table_catalog, table_schema, table_name";

type Answer = Result<Response<FlightStream>, Status>;

struct Table {
    catalog: String,
    schema: String,
    name: String,
    kind: &'static str,
}

async fn all_tables(session: &Session) -> Result<Vec<Table>, Status> {
    let mut tables = Vec::new();
    for batch in query(session, TABLES).await? {
        let [catalogs, schemas, names, kinds] =
            [strings(&batch, 0)?, strings(&batch, 1)?, strings(&batch, 2)?, strings(&batch, 3)?];
        let rows = catalogs.into_iter().zip(schemas).zip(names.into_iter().zip(kinds));
        tables.extend(rows.map(|((catalog, schema), (name, kind))| Table {
            catalog,
            schema,
            name,
            kind: if kind.contains("VIEW") { "VIEW" } else { "TABLE" },
        }));
    }
    Ok(tables)
}

fn strings(batch: &RecordBatch, index: usize) -> Result<Vec<String>, Status> {
    let column = batch.columns().get(index).ok_or_else(|| Status::internal("a catalog column is missing"))?;
    let column = cast(column, &DataType::Utf8).map_err(|error| Status::internal(error.to_string()))?;
    let texts = column.as_string::<i32>();
    Ok((0..texts.len())
        .map(|row| if texts.is_null(row) { "" } else { texts.value(row) }.to_owned())
        .collect())
}

/// Answers `GetCatalogs`.
pub(super) async fn catalogs(session: &Session, command: CommandGetCatalogs) -> Answer {
    let mut builder = command.into_builder();
    let mut names: Vec<_> = all_tables(session).await?.into_iter().map(|table| table.catalog).collect();
    names.dedup();
    for name in names {
        builder.append(name);
    }
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

/// Answers `GetDbSchemas`.
pub(super) async fn schemas(session: &Session, command: CommandGetDbSchemas) -> Answer {
    let mut builder = command.into_builder();
    let tables = all_tables(session).await?;
    let mut names: Vec<_> = tables.iter().map(|table| (&table.catalog, &table.schema)).collect();
    names.dedup();
    for (catalog, schema) in names {
        builder.append(catalog, schema);
    }
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

/// Answers `GetTables`; the tables' columns are looked up only where they are asked for.
pub(super) async fn tables(session: &Session, command: CommandGetTables) -> Answer {
    let mut builder = command.into_builder();
    for table in all_tables(session).await? {
        let schema = if builder.include_schema() { columns(session, &table).await? } else { Schema::empty() };
        builder.append(table.catalog, table.schema, table.name, table.kind, &schema)?;
    }
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

async fn columns(session: &Session, table: &Table) -> Result<Schema, Status> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (catalog, schema, name) = (quoted(&table.catalog), quoted(&table.schema), quoted(&table.name));
    let text = format!("SELECT * FROM {catalog}.{schema}.{name}");
    let mut statements = session.parse(&text).map_err(|error| status(&error))?;
    let Some(statement) = statements.pop() else {
        return Err(Status::internal("a table's name does not parse"));
    };
    let prepared = session.prepare(&statement, &[]).await.map_err(|error| status(&error))?;
    Ok(prepared.schema.as_ref().clone())
}

/// Answers `GetTableTypes`.
pub(super) fn table_types(command: CommandGetTableTypes) -> Answer {
    let mut builder = command.into_builder();
    for kind in ["TABLE", "VIEW"] {
        builder.append(kind);
    }
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

/// An answer without rows.
pub(super) fn no_rows(schema: SchemaRef) -> Response<FlightStream> {
    batches(schema, Vec::new())
}

/// The columns of `GetPrimaryKeys`. Tables have no keys here, so it never has rows.
pub(super) fn primary_key_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("key_name", DataType::Utf8, true),
    ]))
}

/// The columns of `GetExportedKeys`, `GetImportedKeys` and `GetCrossReference`.
pub(super) fn foreign_key_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
