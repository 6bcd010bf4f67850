//! What every object has: its kind, its unit of address, and how its decoding fails.
//!
//! ```text
//! grid.data
//!       0 | superblock     | 512, then zeros
//!    4096 | superblock     | 512, then zeros
//!    8192 | objects, each beginning at a multiple of 64: the first byte is the kind |
//! ```

/// The version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// What addresses count in.
pub(crate) const UNIT_BYTES: u64 = 64;
/// The largest object; larger things are split.
pub(crate) const MAX_OBJECT_BYTES: usize = 1 << 20;

/// The first byte of every object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Leaf,
    Branch,
    Table,
    Chunk,
    Blob,
    Region,
    Superblock,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Branch => 2,
            Self::Table => 3,
            Self::Chunk => 4,
            Self::Blob => 5,
            Self::Region => 6,
            Self::Superblock => 7,
        }
    }

    /// What errors call an object of this kind.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Leaf => "a leaf of the tree",
            Self::Branch => "a branch of the tree",
            Self::Table => "a table of chunks",
            Self::Chunk => "a chunk of a matrix",
            Self::Blob => "a piece of a metadata value",
            Self::Region => "the map of a region",
            Self::Superblock => "the copy of the superblock",
        }
    }
}

/// Why bytes are not what they should be.
pub(crate) type Malformed = &'static str;
/// The result of decoding bytes; the caller knows the file and the offset.
pub(crate) type Decoded<T> = Result<T, Malformed>;
