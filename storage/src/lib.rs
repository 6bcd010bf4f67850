//! The sparse grid store, the catalog and the trajectory log.
//!
//! - [`GridStore`]: matrices under adapter / version / layer / module / matrix, with metadata, in one crash-safe,
//!   memory-mapped, copy-on-write tree. Its superblock is the only commit point of everything in it. The
//!   byte-level format is written in `docs/storage-format.md`.
//! - [`Catalog`]: small ordered records in `sled` that refer to no weights.
//! - [`TrajectoryLog`]: append-only checksummed segments.
//! - [`DirectoryLock`]: one process a directory, and who that is.
//!
//! Invariants of the crate: no byte read from a file can make it panic, and none is trusted before its checksum was
//! verified; what an acknowledged durable commit refers to is never overwritten; `unsafe` is in `backend::map` alone.

pub mod backend;
mod catalog;
mod checksum;
mod error;
mod grid;
mod integer;
mod lock;
mod nvdb;
mod trajectory;

pub use catalog::{Catalog, CatalogChange};
pub use error::{DisplayPath, Error, Holder, Result};
pub use grid::{
    Compacted, Compression, Damage, DataType, DifferenceKind, Durability, FORMAT_VERSION, GridOptions,
    GridStatistics, GridStore, Held, Matrix, MatrixDifference, MatrixInfo, MatrixPath, Recoded, Salvaged,
    Selection, Shape, Snapshot, UpdateBatch, VerifyReport, VersionInfo, VersionPath, VersionStatistics,
    WriteTransaction, salvage,
};
pub use lock::DirectoryLock;
pub use nvdb::{NvdbGrid, NvdbMatrix, NvdbSummary, export_nvdb, import_nvdb, parse_nvdb};
pub use trajectory::{
    LogDamage, LogPosition, LogRange, LogReport, Order, Retained, RetentionPolicy, TrajectoryLog,
    TrajectoryLogOptions, TrajectoryRecord, TrajectoryScan, TrajectoryStatistics, salvage_trajectories,
};
