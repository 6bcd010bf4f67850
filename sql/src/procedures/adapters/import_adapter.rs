//! `CALL import_adapter(…)`: publishes the weights of a file as the next version of an adapter.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::{ImportRequest, record_path};
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, adapter_rows, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "import_adapter",
    parameters: &[
        parameter("name", Kind::Text),
        parameter("path", Kind::Text),
        parameter("format", Kind::Text),
        parameter("base_model", Kind::Text),
    ],
    required: 2,
    reserved: &[],
    description: "Publishes the weights of a file that export_adapter wrote as the next version of an adapter.",
};

/// The procedure.
pub(super) struct ImportAdapter;

#[async_trait]
impl Procedure for ImportAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&adapter_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?.to_owned();
        let format = arguments.text("format").unwrap_or("nvdb").parse()?;
        let files = &session.database().files;
        let path = files.readable(arguments.required_text("path")?)?;
        // The record is read too, so a link in its place must not lead elsewhere.
        let record = record_path(&path);
        if record.exists() {
            files.readable(&record.to_string_lossy())?;
        }
        let request =
            ImportRequest { name, path, format, base_model: arguments.text("base_model").map(str::to_owned) };
        let adapter = session.database().engine().import_adapter(request).await?;
        adapter_rows::row(&adapter)
    }
}
