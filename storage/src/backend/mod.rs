//! The seam to the outside world: a file that can be written, synced and viewed, and a directory of such files.
//!
//! [`FileBackend`] is a file on disk read through a memory map, [`FileDirectory`] a directory of them. [`MemoryBackend`]
//! is the file's twin for tests. The crash simulator of the tests is a third implementation of both, which loses,
//! reorders and tears what was not synced.

pub(crate) mod directory;
pub(crate) mod file;
mod map;
pub(crate) mod memory;
pub(crate) mod traits;

pub use directory::{FileDirectory, StorageDirectory};
pub use file::FileBackend;
pub use memory::MemoryBackend;
pub use traits::{StorageBackend, View};
