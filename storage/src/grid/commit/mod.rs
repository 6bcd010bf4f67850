//! Commits: what the one writer knows, how a commit becomes visible and durable, and what an opening makes of the files.
//!
//! This room alone writes superblocks and the write-ahead log. It is given the root of a tree and never looks at what
//! the tree says; how a tree is changed is the business of `write`.

pub(crate) mod committer;
pub(crate) mod durability;
pub(crate) mod files;
pub(crate) mod group_commit;
pub(crate) mod head;
pub(crate) mod recovery;
pub(crate) mod rollback;
pub(crate) mod wal;
