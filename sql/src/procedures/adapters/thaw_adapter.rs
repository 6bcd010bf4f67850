//! `CALL thaw_adapter(…)`: takes the compression of a version back.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, parameter, recoded_rows};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "thaw_adapter",
    parameters: &[parameter("name", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "Stores what a version alone holds without compression again.",
};

/// The procedure.
pub(super) struct ThawAdapter;

#[async_trait]
impl Procedure for ThawAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&recoded_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let recoded = session.database().engine().thaw_adapter(name).await?;
        recoded_rows::row(&recoded)
    }
}
