//! The users' own tables: Parquet parts in the data directory, and files that they point at.
//!
//! A stored table is a list of immutable parts. A change writes a new part, makes it durable, and then commits it to the
//! engine's catalog: that is the moment it happened, for readers and after a crash alike. What a reader has begun to
//! read stays until it is done. Every byte that a reader gets is checked against what the catalog says of its part.
//!
//! `table.rs` changes the parts of one table and `store.rs` has all tables; `merge.rs` makes small parts fewer beside
//! them. `opening.rs` reads the catalog, and `salvage.rs` does without one.

pub(crate) mod definition;
pub(crate) mod external;
pub(crate) mod merge;
mod merge_policy;
mod merge_queue;
mod opening;
pub(crate) mod part;
pub(crate) mod provider;
mod reader;
pub(crate) mod replacement_file;
pub(crate) mod salvage;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod writer;
