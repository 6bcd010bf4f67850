//! Objects in the file: which space is free, how objects are written, and how they are read and checked.
//!
//! This module knows owners and checksums. It never decides what is committed: nothing that it writes can be reached
//! before a superblock or a published state refers to it.
//!
//! - `writer`: stores, shares and frees objects.
//! - `space`: the allocator; `space_table` stores it.
//! - `source`: reads an object and checks it; `table_reader` and `chunk_source` read tables and chunks through it.

pub(crate) mod chunk_source;
pub(crate) mod source;
pub(crate) mod space;
pub(crate) mod space_table;
pub(crate) mod table_reader;
pub(crate) mod writer;
