//! Copy-on-write B+ trees from bytes to values.
//!
//! The main tree holds metadata, adapters, tags and versions; each version's matrices are a tree of their own,
//! whose root the version's record refers to, so that a branch is one more owner of a root. This module knows nodes and
//! keys; what a change means for adapters and versions is decided above it, in `write`.
//!
//! - `node`: reading: nodes, lookups and walks over leaves.
//! - `edit`: changing: touched nodes in memory until the flush writes them.
//! - `keys`: the keys of adapters, tags, versions, matrices and metadata.

pub(crate) mod edit;
pub(crate) mod keys;
pub(crate) mod node;
