//! The byte-level format, version 1, as `docs/storage-format.md` writes it down. Everything is little-endian.
//!
//! Decoding never trusts a length or an offset: it returns a [`Malformed`] reason, to which the caller adds the
//! file and the place.

mod cursor;
mod node;
mod reference;
mod region;
mod superblock;
mod table;
mod value;

pub(crate) use cursor::{Cursor, Encoder};
pub(crate) use node::{
    Branch, Leaf, MAX_HEIGHT, NODE_BYTES, decode_branch, decode_leaf, encode_branch, encode_leaf,
    find_in_leaf,
};
pub(crate) use reference::Ref;
pub(crate) use region::{REGION_UNITS, REGION_WORDS, RegionImage, bits_are, clear_bits, next_bit, set_bits};
pub(crate) use superblock::{COPY_BYTES, SUPERBLOCK_BYTES, SUPERBLOCK_SLOTS, Superblock, SuperblockError};
pub(crate) use table::{FANOUT, Table, decode_table_node, encode_table_node};
pub(crate) use value::{
    AdapterRecord, BLOB_PIECE_BYTES, INLINE_BYTES, MatrixRecord, Value, VersionRecord, dtype_code,
    dtype_from_code,
};

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
}

/// Why bytes are not what they should be.
pub(crate) type Malformed = &'static str;
/// The result of decoding bytes whose place the caller knows.
pub(crate) type Decoded<T> = Result<T, Malformed>;
