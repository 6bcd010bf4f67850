//! `CALL tag_adapter(…)`: points a tag at a version.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, adapter_rows, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "tag_adapter",
    parameters: &[parameter("name", Kind::Text), parameter("tag", Kind::Text)],
    required: 2,
    reserved: &[],
    description: "Points a tag at a version, moving it when it is there already.",
};

/// The procedure.
pub(super) struct TagAdapter;

#[async_trait]
impl Procedure for TagAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&adapter_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let (name, tag) = (arguments.required_text("name")?, arguments.required_text("tag")?);
        let adapter = session.database().engine().tag_adapter(name, tag)?;
        adapter_rows::row(&adapter)
    }
}
