//! The sparse grid store.

mod apply;
mod chunk;
mod chunk_source;
mod core;
mod editor;
mod format;
mod matrix;
mod metadata;
mod path;
mod recovery;
mod snapshot;
mod source;
mod space;
mod space_table;
mod state;
mod store;
mod sync;
mod transaction;
mod tree;
mod update;
mod verify;
mod wal;
mod writer;

pub use chunk::Compression;
pub use format::FORMAT_VERSION;
pub use matrix::{Matrix, MatrixInfo};
pub use path::{DataType, MatrixPath, Shape};
pub use snapshot::{Snapshot, VersionInfo};
pub use store::{Durability, GridOptions, GridStore};
pub use transaction::WriteTransaction;
pub use update::UpdateBatch;
pub use verify::{Damage, VerifyReport};
