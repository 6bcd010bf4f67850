//! The row that freezing and thawing a version answer with.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::RecodedAdapter;

use super::one_row;
use crate::error::Result;

/// `name, version, chunks, shared_chunks, bytes_before, bytes_after`.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![Field::new("name", DataType::Utf8, true)];
    let numbers = ["version", "chunks", "shared_chunks", "bytes_before", "bytes_after"];
    fields.extend(numbers.map(|name| Field::new(name, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
});

/// What was done as a row.
pub(super) fn row(recoded: &RecodedAdapter) -> Result<SendableRecordBatchStream> {
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    one_row(
        &SCHEMA,
        vec![
            Arc::new(StringArray::from(vec![recoded.name.as_str()])),
            number(recoded.version),
            number(recoded.chunks),
            number(recoded.shared_chunks),
            number(recoded.bytes_before),
            number(recoded.bytes_after),
        ],
    )
}
