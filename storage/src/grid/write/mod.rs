//! Changing trees: matrices, versions, tags and metadata on their way to a commit.
//!
//! This module writes objects that no state refers to yet and returns the root above them. Whether and when they become
//! a state is decided in `commit`.
//!
//! - `editor`: the way in: versions, tags and the trees while they change.
//! - `put_matrix`: a matrix as a whole.
//! - `apply`: sparse changes; `update` is a batch of them.
//! - `recode`: freezing and thawing: chunks to compressed ones and back.
//! - `metadata`: metadata values.

pub(crate) mod apply;
pub(crate) mod editor;
pub(crate) mod metadata;
pub(crate) mod put_matrix;
pub(crate) mod recode;
pub(crate) mod update;
