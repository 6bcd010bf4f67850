//! Rows to a Parquet file that is whole and synced, or not there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::FormatOptions;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::part::Part;

static NEXT_PART: AtomicU64 = AtomicU64::new(0);

/// Writes one part. Dropped before [`PartWriter::finish`], it leaves nothing behind.
pub(crate) struct PartWriter {
    writer: Option<ArrowWriter<File>>,
    schema: SchemaRef,
    path: PathBuf,
    rows: u64,
}

impl PartWriter {
    /// Begins a part in `directory`.
    pub(crate) fn try_new(directory: &Path, schema: &SchemaRef) -> Result<Self> {
        let path = directory.join(part_name());
        let file = File::create_new(&path).map_err(|e| Error::io("create", &path, &e))?;
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(|e| {
            Error::new(ErrorKind::FeatureNotSupported, format!("the columns cannot be stored: {e}"))
        })?;
        Ok(Self { writer: Some(writer), schema: Arc::clone(schema), path, rows: 0 })
    }

    /// Adds rows, cast to the table's columns.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        let Some(writer) = &mut self.writer else {
            return Err(Error::internal("a part was written after its end"));
        };
        writer
            .write(&batch)
            .map_err(|e| Error::new(ErrorKind::IoError, format!("cannot write a table's part: {e}")))
    }

    /// How many rows were written.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Syncs the file. `None` when there were no rows, and so no part.
    pub(super) fn finish(mut self) -> Result<Option<Arc<Part>>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let Some(writer) = self.writer.take() else {
            return Ok(None);
        };
        let path = std::mem::take(&mut self.path);
        let part = Part::new(path.clone());
        part.retire();
        let part = Arc::new(part);
        let file = writer
            .into_inner()
            .map_err(|e| Error::new(ErrorKind::IoError, format!("cannot write {}: {e}", path.display())))?;
        file.sync_all().map_err(|e| Error::io("sync", &path, &e))?;
        if let Some(directory) = path.parent() {
            File::open(directory).and_then(|d| d.sync_all()).map_err(|e| Error::io("sync", directory, &e))?;
        }
        Ok(Some(part))
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn part_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let number = NEXT_PART.fetch_add(1, Ordering::Relaxed);
    format!("{now:x}-{}-{number}.parquet", std::process::id())
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
