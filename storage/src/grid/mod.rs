//! The sparse grid store.
//!
//! - `store` and `transaction`: everything that can be asked of a store and of a write, each in a few lines.
//! - `commit`: how a state gets on disk. What one commit writes is in `commit/head.rs`.
//! - `write`: changing versions, matrices, tags and metadata; `read`: reading them.
//! - `tree`: keys and values in copy-on-write nodes.
//! - `objects`: the file, its free space and its checksums.
//! - `chunk`: numbers to bytes and back; `format`: the layout of everything else.
//! - `upkeep`: statistics, verifying and compacting; `salvage`: what a damaged store still holds.
//!
//! Each module imports only those before it in this order: `format`, `chunk`, `objects`, `tree`, `read`, `write`,
//! `commit`, `upkeep`, then the store, a write and salvage, which opens a store of its own.

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
pub use path::{DataType, MatrixPath, Shape, VersionPath};
pub use read::diff::{DifferenceKind, MatrixDifference};
pub use read::matrix::{Matrix, MatrixInfo};
pub use read::metadata::ReadableMetadata;
pub use read::selection::Selection;
pub use read::snapshot::{Snapshot, VersionInfo};
pub use salvage::{Salvaged, salvage};
pub use store::{GridOptions, GridStore};
pub use transaction::WriteTransaction;
pub use upkeep::compact::{Compacted, GridCopy};
pub use upkeep::damage::{Damage, Held};
pub use upkeep::statistics::{GridStatistics, VersionStatistics};
pub use upkeep::verify::VerifyReport;
pub use write::recode::Recoded;
pub use write::update::UpdateBatch;
