//! A table whose rows are read from the engine.
//!
//! Filters, projection and limit are all applied here, so none of them stays above the table. What filters say of a
//! column, as [`bounds`], narrows the engine's own call as well. The engine reads from disk, so rows are read beside the
//! threads that run statements, batch by batch, and reading stops when the query wants no more.

pub(crate) mod bounds;
mod exec;
pub(crate) mod scan;
pub(crate) mod source;
pub(crate) mod table;
