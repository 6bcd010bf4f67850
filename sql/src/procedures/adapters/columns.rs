//! The row that procedures over adapters answer with: the version that now stands.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Int64Array, ListBuilder, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::AdapterRow;

use super::one_row;
use crate::error::Result;

/// `name, version, tags, hash`.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("version", DataType::Int64, true),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        Field::new("hash", DataType::Utf8, true),
    ]))
});

/// One version as a row.
pub(super) fn row(adapter: &AdapterRow) -> Result<SendableRecordBatchStream> {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value(adapter.tags.iter().map(Some));
    one_row(
        &SCHEMA,
        vec![
            Arc::new(StringArray::from(vec![adapter.name.as_str()])),
            Arc::new(Int64Array::from(vec![adapter.version as i64])),
            Arc::new(tags.finish()),
            Arc::new(StringArray::from(vec![adapter.hash.as_str()])),
        ],
    )
}
