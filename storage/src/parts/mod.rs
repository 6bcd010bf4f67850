//! Files that never change, each under a hash in its name and under checksums that its owner's record keeps.
//!
//! [`PartDirectory`] writes a file under a draft's name, syncs it, renames it and syncs the directory; only then is there
//! a [`PartRecord`] to commit. So what a committed record names is whole, and a file that no record names is at most
//! one too many. [`PartReader`] hands out no byte of a block whose checksum it has not compared with the record's.

mod directory;
mod name;
mod reader;
mod record;
mod removals;
mod writer;

pub use directory::PartDirectory;
pub use reader::PartReader;
pub use record::{PART_BLOCK_BYTES, PartRecord};
pub use removals::RemovalHold;
pub use writer::PartWriter;
