//! `CALL freeze_adapter(…)`: compresses a version that is seldom read.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::FrozenFormat;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, parameter, recoded_rows};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "freeze_adapter",
    parameters: &[parameter("name", Kind::Text), parameter("compression", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "Compresses what a version alone holds; it answers as before and is read more slowly.",
};

/// The procedure.
pub(super) struct FreezeAdapter;

#[async_trait]
impl Procedure for FreezeAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&recoded_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let format = arguments.text("compression").map(str::parse::<FrozenFormat>);
        let format = format.transpose()?.unwrap_or_default();
        let engine = session.database().engine();
        let recoded = engine.freeze_adapter(name, format).await?;
        recoded_rows::row(&recoded)
    }
}
