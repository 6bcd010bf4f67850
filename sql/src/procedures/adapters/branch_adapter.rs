//! `CALL branch_adapter(…)`: publishes a version as the first one of a new adapter.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, adapter_rows, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "branch_adapter",
    parameters: &[parameter("source", Kind::Text), parameter("name", Kind::Text)],
    required: 2,
    reserved: &[],
    description: "Publishes a version as the first version of a new adapter; weights are shared.",
};

/// The procedure.
pub(super) struct BranchAdapter;

#[async_trait]
impl Procedure for BranchAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&adapter_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let (source, name) = (arguments.required_text("source")?, arguments.required_text("name")?);
        let adapter = session.database().engine().branch_adapter(source, name)?;
        adapter_rows::row(&adapter)
    }
}
