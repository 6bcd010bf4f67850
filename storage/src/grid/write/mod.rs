//! Changing trees: matrices, versions, tags and metadata on their way to a commit.
//!
//! This room writes objects that no state refers to yet and returns the root above them. Whether and when they become
//! a state is decided in `commit`.

pub(crate) mod apply;
pub(crate) mod editor;
pub(crate) mod metadata;
pub(crate) mod put_matrix;
pub(crate) mod recode;
pub(crate) mod update;
