//! The byte-level format, version 1, as `docs/storage-format.md` writes it down. Everything is little-endian.
//!
//! Decoding never trusts a length or an offset: it returns a [`object::Malformed`] reason, to which the caller adds
//! the file and the offset. This module reads and writes no file and follows no reference.
//!
//! - `superblock`: the two superblocks and their copies.
//! - `reference`: 24 bytes that say where an object is and what its checksum is.
//! - `object`: what every object has.
//! - `node`: leaves and branches of the trees.
//! - `value`: what the leaves hold: metadata, adapters, tags, versions, matrices.
//! - `table`: long lists of references, such as the chunks of a matrix.
//! - `region`: which units of the file are in use.
//! - `geometry`: how a matrix is cut into leaves and chunks.
//! - `cursor`: little-endian numbers.

pub(crate) mod cursor;
pub(crate) mod geometry;
pub(crate) mod node;
pub(crate) mod object;
pub(crate) mod reference;
pub(crate) mod region;
pub(crate) mod superblock;
pub(crate) mod table;
pub(crate) mod value;
