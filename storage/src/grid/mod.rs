//! The sparse grid store.

mod apply;
mod chunk;
mod chunk_source;
mod compact;
mod copy;
mod core;
mod diff;
mod editor;
mod format;
#[cfg(test)]
mod hostile;
mod matrix;
mod metadata;
mod path;
mod recode;
mod recovery;
mod salvage;
mod snapshot;
mod source;
mod space;
mod space_table;
mod state;
mod statistics;
mod store;
mod sync;
mod transaction;
mod tree;
mod update;
mod verify;
mod wal;
mod writer;

pub use chunk::Compression;
pub use compact::Compacted;
pub use diff::{DifferenceKind, MatrixDifference};
pub use format::FORMAT_VERSION;
pub use matrix::{Matrix, MatrixInfo};
pub use path::{DataType, MatrixPath, Shape};
pub use recode::Recoded;
pub use salvage::{Salvaged, salvage};
pub use snapshot::{Snapshot, VersionInfo};
pub use statistics::{GridStatistics, VersionStatistics};
pub use store::{Durability, GridOptions, GridStore};
pub use transaction::WriteTransaction;
pub use update::UpdateBatch;
pub use verify::{Damage, VerifyReport};
