//! Commits: what the one writer knows, how a commit becomes visible and durable, and what an opening makes of the files.
//!
//! This module alone writes superblocks and the write-ahead log. It is given the root of a tree and never looks at what
//! the tree says; how a tree is changed is the business of `write`.
//!
//! - `committer`: the way in. One writer at a time, by the log or by the tree, and what becomes of a commit that fails.
//! - `head`: what one commit writes: the objects, the allocator and the superblock, and when it becomes visible.
//! - `group_commit`: callers that wait for the log share one sync.
//! - `wal`: the records of the write-ahead log, and which of them count.
//! - `recovery`: which superblock an opening takes, and how it replays the log.
//! - `rollback`: what a failed commit left in the files is made void.
//! - `durability`: what the return of a commit promises.
//! - `files`: the names of the files, and replacing the data file by a new one.

pub(crate) mod committer;
pub(crate) mod durability;
pub(crate) mod files;
pub(crate) mod group_commit;
pub(crate) mod head;
pub(crate) mod recovery;
pub(crate) mod rollback;
pub(crate) mod wal;
