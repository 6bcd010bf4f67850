//! The users' own tables: Parquet parts in the data directory, and files that they point at.
//!
//! A stored table is a list of immutable parts. A change writes new parts, syncs them, and then puts the table's new
//! definition into the engine's catalog: that is the moment it happened, for readers and after a crash alike. What a
//! reader has begun to read stays until it is done. Parts that no definition names are removed when the database opens.

pub(crate) mod definition;
pub(crate) mod external;
pub(crate) mod part;
pub(crate) mod provider;
pub(crate) mod replacement_file;
pub(crate) mod store;
pub(crate) mod writer;
