//! Rows to a Parquet file that is whole and synced, or not there.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::FormatOptions;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;
use hyprstream_engine::{Error as EngineError, NewPart, PartDirectory, PartWriter as FileWriter};

use crate::error::{Error, ErrorKind, Result, inner_error};
use crate::user_tables::definition::{Definition, StoredDefinition};

/// In the end of each part, the name of its table.
pub(super) const TABLE_KEY: &str = "hyprstream.table";

/// In the end of each part, the definition of its table.
pub(super) const DEFINITION_KEY: &str = "hyprstream.definition";

/// In the end of a part, the names of the parts whose rows it took over, by spaces.
pub(super) const REPLACES_KEY: &str = "hyprstream.replaces";

/// Rows in a row group: of a damaged part, those of the other groups can be saved.
const GROUP_ROWS: usize = 1 << 17;

/// Writes one part. Dropped before [`PartWriter::finish`], it leaves nothing behind.
pub(crate) struct PartWriter {
    writer: ArrowWriter<FileWriter>,
    schema: SchemaRef,
    rows: u64,
}

impl PartWriter {
    /// Begins a part of a table in `directory`.
    pub(crate) fn try_new(
        directory: &PartDirectory,
        table: &str,
        definition: &StoredDefinition,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let file = directory.begin().map_err(EngineError::from)?;
        let definition = Definition::Stored(definition.clone()).to_bytes()?;
        let definition = String::from_utf8(definition).map_err(Error::internal)?;
        let entries = [(TABLE_KEY, table.to_owned()), (DEFINITION_KEY, definition)];
        let entries = entries.map(|(key, value)| KeyValue::new(key.to_owned(), value));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_key_value_metadata(Some(entries.into()))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(|e| {
            Error::new(ErrorKind::FeatureNotSupported, format!("the columns cannot be stored: {e}"))
        })?;
        Ok(Self { writer, schema: Arc::clone(schema), rows: 0 })
    }

    /// Adds rows, cast to the table's columns.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch).map_err(|e| not_written(&e))
    }

    /// How many rows were written.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes the file durable. `replaces` names the parts whose rows it has taken over. `None` when there were no rows,
    /// and so no part.
    pub(super) fn finish(mut self, replaces: &[String]) -> Result<Option<NewPart>> {
        if self.rows == 0 {
            return Ok(None);
        }
        if !replaces.is_empty() {
            let entry = KeyValue::new(REPLACES_KEY.to_owned(), replaces.join(" "));
            self.writer.append_key_value_metadata(entry);
        }
        let file = self.writer.into_inner().map_err(|e| not_written(&e))?;
        let record = file.finish().map_err(EngineError::from)?;
        Ok(Some(NewPart { rows: self.rows, record }))
    }
}

fn not_written(error: &(dyn std::error::Error + 'static)) -> Error {
    inner_error(error)
        .unwrap_or_else(|| Error::new(ErrorKind::IoError, format!("cannot write a table's part: {error}")))
}

/// A value that the column's type cannot hold is an error, not NULL.
const NOTHING_LOST: CastOptions<'_> = CastOptions { safe: false, format_options: FormatOptions::new() };

fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let message =
            format!("the table has {} columns, the rows have {}", schema.fields().len(), batch.num_columns());
        return Err(Error::new(ErrorKind::DatatypeMismatch, message));
    }
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        if !field.is_nullable() && column.null_count() > 0 {
            let message = format!("null value in column \"{}\" violates not-null constraint", field.name());
            return Err(Error::new(ErrorKind::NotNullViolation, message));
        }
        let column = cast_with_options(column, field.data_type(), &NOTHING_LOST).map_err(|e| {
            let message = format!("a value does not fit column \"{}\": {e}", field.name());
            let is_number = column.data_type().is_numeric() && field.data_type().is_numeric();
            let kind = if is_number { ErrorKind::NumericOutOfRange } else { ErrorKind::InvalidText };
            Error::new(kind, message)
        })?;
        columns.push(column);
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|e| Error::internal(format!("rows do not fit their table: {e}")))
}

/// A query's columns as a table can have them. A query's columns take NULL; a definition's say so themselves.
pub(crate) fn storable_schema(schema: &Schema, all_take_null: bool) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if fields.iter().any(|f| f.name() == field.name()) {
            let message = format!("column \"{}\" is there twice", field.name());
            return Err(Error::new(ErrorKind::DuplicateColumn, message));
        }
        if holds_interval(field.data_type()) {
            let message =
                format!("column \"{}\": a table cannot store intervals in this version", field.name());
            return Err(Error::new(ErrorKind::FeatureNotSupported, message)
                .with_hint("Store a number of seconds, or the two times between which it lies."));
        }
        let nullable = all_take_null || field.is_nullable();
        fields.push(Field::new(field.name(), storable_type(field.data_type()), nullable));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Parquet has no interval of months, days and nanoseconds.
fn holds_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_interval(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| holds_interval(field.data_type())),
        _ => false,
    }
}

fn storable_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => storable_type(value),
        other => other.clone(),
    }
}
