//! The users' own tables: Parquet parts in the data directory, and files that they point at.
//!
//! A stored table is a list of immutable parts. A change writes new parts, syncs them, and then puts the table's new
//! definition into the engine's catalog: that is the moment it happened, for readers and after a crash alike. What a
//! reader has begun to read stays until it is done. Parts that no definition names are removed when the database opens.

mod definition;
mod draft_file;
mod external;
mod part;
mod provider;
mod store;
mod writer;

use std::sync::Arc;

use hyprstream_engine::{DamageRow, Engine};

use crate::error::Result;

pub(crate) use definition::StoredDefinition;
pub(crate) use draft_file::DraftFile;
pub(crate) use external::{FilePaths, load_external};
pub(crate) use part::Pins;
pub(crate) use provider::StoredProvider;
pub(crate) use store::{ExternalTable, StoredTable, UserTable, UserTables, already_exists};
pub(crate) use writer::{PartWriter, storable_schema};

/// Reads every row of the tables in a data directory, and says which of their files cannot be read.
pub fn damaged_tables(engine: &Arc<Engine>) -> Result<Vec<DamageRow>> {
    Ok(UserTables::open(Arc::clone(engine))?.damages())
}
