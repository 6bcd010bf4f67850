//! Adapters as files: written by one data directory, read by another.
//!
//! A file holds the weights; beside it stands the version's record, which names the base model by its content hash
//! and the weights by theirs. An import is refused when either does not match.

pub(crate) mod export;
pub(crate) mod format;
pub(crate) mod import;
pub(crate) mod nvdb;
pub(crate) mod record;
