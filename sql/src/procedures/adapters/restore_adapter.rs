//! `CALL restore_adapter(…)`: publishes a new version with the weights of an earlier one or of a checkpoint.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::RestoreSource;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, adapter_rows, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "restore_adapter",
    parameters: &[
        parameter("name", Kind::Text),
        parameter("version", Kind::Version),
        parameter("checkpoint", Kind::Integer),
    ],
    required: 1,
    reserved: &[],
    description: "Publishes a new version with the weights of an earlier version or of a checkpoint.",
};

/// The procedure.
pub(super) struct RestoreAdapter;

#[async_trait]
impl Procedure for RestoreAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&adapter_rows::SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let source = match (arguments.text("version"), arguments.integer::<u64>("checkpoint")?) {
            (Some(version), None) => RestoreSource::Version(version.to_owned()),
            (None, Some(checkpoint)) => RestoreSource::Checkpoint(checkpoint),
            _ => {
                return Err(arguments.invalid(
                    "version",
                    "and checkpoint",
                    "exactly one of the two must be given",
                ));
            }
        };
        let adapter = session.database().engine().restore_adapter(name, &source)?;
        adapter_rows::row(&adapter)
    }
}
