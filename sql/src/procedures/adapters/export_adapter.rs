//! `CALL export_adapter(…)`: writes a version to a file.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::AdapterFormat;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, one_row, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "export_adapter",
    parameters: &[
        parameter("name", Kind::Text),
        parameter("path", Kind::Text),
        parameter("format", Kind::Text),
    ],
    required: 2,
    reserved: &[],
    description: "Writes a version of an adapter to a file, and its record beside it.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("version", DataType::Int64, true),
        Field::new("path", DataType::Utf8, true),
        Field::new("matrices", DataType::Int64, true),
        Field::new("active_values", DataType::Int64, true),
        Field::new("bytes", DataType::Int64, true),
    ]))
});

/// The procedure.
pub(super) struct ExportAdapter;

#[async_trait]
impl Procedure for ExportAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let (name, location) = (arguments.required_text("name")?, arguments.required_text("path")?);
        let format: AdapterFormat = arguments.text("format").unwrap_or("nvdb").parse()?;
        let path = session.database().files.writable(location)?;
        let exported = session.database().engine().export_adapter(name, &path, format).await?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![exported.name])),
            Arc::new(Int64Array::from(vec![exported.version as i64])),
            Arc::new(StringArray::from(vec![location])),
            Arc::new(Int64Array::from(vec![exported.matrices as i64])),
            Arc::new(Int64Array::from(vec![exported.active_values as i64])),
            Arc::new(Int64Array::from(vec![exported.bytes as i64])),
        ];
        one_row(&SCHEMA, columns)
    }
}
