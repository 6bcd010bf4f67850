//! The procedures that CALL runs, one a file, under one registry for every way in.

mod adapter_rows;
mod arguments;
mod branch_adapter;
mod cancel_training;
mod checkpoint_adapter;
mod compact;
mod drop_adapter;
mod export_adapter;
mod freeze_adapter;
mod import_adapter;
mod recoded_rows;
mod restore_adapter;
mod rotate_adapter;
mod tag_adapter;
mod thaw_adapter;
mod train_adapter;
mod verify_store;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use hyprstream_udfs::{Function, Kind, Parameter};

pub(crate) use arguments::Arguments;

use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::session::Session;

/// Something that CALL runs.
#[async_trait]
pub(crate) trait Procedure: Send + Sync {
    /// Its name and arguments.
    fn function(&self) -> &'static Function;

    /// The columns of its rows.
    fn schema(&self) -> SchemaRef;

    /// Runs it. Dropping the rows cancels it.
    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream>;
}

/// Every procedure, by name.
pub(crate) fn all() -> Vec<Box<dyn Procedure>> {
    vec![
        Box::new(branch_adapter::BranchAdapter),
        Box::new(cancel_training::CancelTraining),
        Box::new(checkpoint_adapter::CheckpointAdapter),
        Box::new(compact::Compact),
        Box::new(drop_adapter::DropAdapter),
        Box::new(export_adapter::ExportAdapter),
        Box::new(freeze_adapter::FreezeAdapter),
        Box::new(import_adapter::ImportAdapter),
        Box::new(restore_adapter::RestoreAdapter),
        Box::new(rotate_adapter::RotateAdapter),
        Box::new(tag_adapter::TagAdapter),
        Box::new(thaw_adapter::ThawAdapter),
        Box::new(train_adapter::TrainAdapter),
        Box::new(verify_store::VerifyStore),
    ]
}

/// The procedure of a name.
pub(crate) fn find(name: &str) -> Result<Box<dyn Procedure>> {
    let name = name.to_lowercase();
    let name = name.strip_prefix("hyprstream.").unwrap_or(&name);
    if let Some(procedure) = all().into_iter().find(|p| p.function().name == name) {
        return Ok(procedure);
    }
    let names: Vec<&str> = all().iter().map(|p| p.function().name).collect();
    let near = suggestion(name, names.iter().copied());
    let message = format!("procedure {name} does not exist{near}");
    Err(Error::new(ErrorKind::UndefinedFunction, message)
        .with_hint(format!("There are {}.", names.join(", "))))
}

const fn parameter(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

/// One row as a procedure's result.
fn one_row(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<SendableRecordBatchStream> {
    one_batch(schema, columns)
}

/// Rows that are known as a whole as a procedure's result.
fn one_batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<SendableRecordBatchStream> {
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
    let rows = futures::stream::iter([Ok(batch)]);
    Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), rows)))
}
