//! The sparse grid store, immutable files and the trajectory log.
//!
//! - [`GridStore`]: matrices under adapter / version / layer / module / matrix, with metadata, in one crash-safe,
//!   memory-mapped, copy-on-write tree. Its superblock is the only commit point of everything in it. The
//!   byte-level format is written in `docs/storage-format.md`.
//! - [`PartDirectory`]: files that never change, with a checksum of each block in the records of their owners.
//! - [`RebuildableIndex`]: what can be computed again, in `sled`; losing it costs the computing.
//! - [`TrajectoryLog`]: append-only checksummed segments.
//! - [`DirectoryLock`]: one process a directory, and who that is.
//!
//! Invariants of the crate: no byte read from a file can make it panic, and none is trusted before its checksum was
//! verified; what an acknowledged durable commit refers to is never overwritten; `unsafe` is in `backend::map` alone.

pub mod backend;
mod checksum;
mod error;
mod grid;
mod index;
mod integer;
mod lock;
mod nvdb;
mod parts;
mod trajectory;
mod version1;

pub use error::{DisplayPath, Error, Holder, Result};
pub use grid::{
    Compacted, Compression, Damage, DataType, DifferenceKind, Durability, FORMAT_VERSION, GridCopy,
    GridOptions, GridStatistics, GridStore, Held, Matrix, MatrixDifference, MatrixInfo, MatrixPath,
    ReadableMetadata, Recoded, Salvaged, Selection, Shape, Snapshot, UpdateBatch, VerifyReport, VersionInfo,
    VersionPath, VersionStatistics, WriteTransaction, salvage,
};
pub use index::RebuildableIndex;
pub use lock::DirectoryLock;
pub use nvdb::{NvdbGrid, NvdbMatrix, NvdbSummary, export_nvdb, import_nvdb, parse_nvdb};
pub use parts::{PART_BLOCK_BYTES, PartDirectory, PartReader, PartRecord, PartWriter, RemovalHold};
pub use trajectory::{
    LogCopy, LogDamage, LogPosition, LogRange, LogReport, Order, Retained, RetentionPolicy, TrajectoryLog,
    TrajectoryLogOptions, TrajectoryRecord, TrajectoryScan, TrajectoryStatistics, salvage_trajectories,
};
pub use version1::read_version_1_catalog;
