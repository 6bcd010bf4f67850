//! The sparse grid store.
//!
//! Each room imports only rooms before it: `format` (bytes), `chunk` (numbers), `objects` (the file), `tree` (keys and
//! values), `read` (states), `write` (changes), `commit` (states on disk), `upkeep` (whole stores). Above them stand the
//! store, a write, and salvage, which opens a store of its own.

mod chunk;
mod commit;
mod format;
#[cfg(test)]
mod hostile;
mod objects;
pub(crate) mod path;
pub(crate) mod read;
mod salvage;
mod store;
pub(crate) mod transaction;
mod tree;
mod upkeep;
pub(crate) mod write;

pub use chunk::codec::Compression;
pub use commit::durability::Durability;
pub use format::object::FORMAT_VERSION;
pub use path::{DataType, MatrixPath, Shape};
pub use read::diff::{DifferenceKind, MatrixDifference};
pub use read::matrix::{Matrix, MatrixInfo};
pub use read::selection::Selection;
pub use read::snapshot::{Snapshot, VersionInfo};
pub use salvage::{Salvaged, salvage};
pub use store::{GridOptions, GridStore};
pub use transaction::WriteTransaction;
pub use upkeep::compact::Compacted;
pub use upkeep::damage::{Damage, Held};
pub use upkeep::statistics::{GridStatistics, VersionStatistics};
pub use upkeep::verify::VerifyReport;
pub use write::recode::Recoded;
pub use write::update::UpdateBatch;
