//! The byte-level format, version 1, as `docs/storage-format.md` writes it down. Everything is little-endian.
//!
//! Decoding never trusts a length or an offset: it returns a [`object::Malformed`] reason, to which the caller adds
//! the file and the offset. This room reads and writes no file and follows no reference.

pub(crate) mod cursor;
pub(crate) mod geometry;
pub(crate) mod node;
pub(crate) mod object;
pub(crate) mod reference;
pub(crate) mod region;
pub(crate) mod superblock;
pub(crate) mod table;
pub(crate) mod value;
