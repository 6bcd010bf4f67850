//! The procedures that CALL runs, one a file, named as the procedure is.
//!
//! A procedure is a file with a [`Procedure`](procedure::Procedure), which says its arguments, the columns of its rows and
//! what it does, and a line in [`PROCEDURES`]. Work belongs into the engine: a procedure reads arguments, makes one call
//! and names the columns of its answer. `docs/sql.md` describes every procedure.

mod adapters;
mod procedure;
mod store;
mod training;

use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;

pub(crate) use procedure::AnyProcedure;

static PROCEDURES: [&dyn AnyProcedure; 15] = [
    &store::backup::BACKUP,
    &adapters::branch_adapter::BRANCH_ADAPTER,
    &training::cancel_training::CANCEL_TRAINING,
    &training::checkpoint_adapter::CHECKPOINT_ADAPTER,
    &store::compact::COMPACT,
    &adapters::drop_adapter::DROP_ADAPTER,
    &adapters::export_adapter::EXPORT_ADAPTER,
    &adapters::freeze_adapter::FREEZE_ADAPTER,
    &adapters::import_adapter::IMPORT_ADAPTER,
    &adapters::restore_adapter::RESTORE_ADAPTER,
    &adapters::rotate_adapter::ROTATE_ADAPTER,
    &adapters::tag_adapter::TAG_ADAPTER,
    &adapters::thaw_adapter::THAW_ADAPTER,
    &training::train_adapter::TRAIN_ADAPTER,
    &store::verify_store::VERIFY_STORE,
];

/// The procedure of a name.
pub(crate) fn find(name: &str) -> Result<&'static dyn AnyProcedure> {
    let name = name.to_lowercase();
    let name = name.strip_prefix("hyprstream.").unwrap_or(&name);
    let names = PROCEDURES.iter().map(|procedure| procedure.function().name);
    if let Some(procedure) = PROCEDURES.iter().find(|procedure| procedure.function().name == name) {
        return Ok(*procedure);
    }
    let message = format!("procedure {name} does not exist{}", suggestion(name, names.clone()));
    let names: Vec<&str> = names.collect();
    Err(Error::new(ErrorKind::UndefinedFunction, message)
        .with_hint(format!("There are {}.", names.join(", "))))
}
