//! Copy-on-write B+ trees from bytes to values.
//!
//! The main tree holds metadata, adapters, tags and versions; each version's matrices are a tree of their own,
//! whose root the version's record refers to, so that a branch is one more owner of a root.

mod edit;
mod keys;
mod read;

pub(crate) use edit::{Tree, release_tree, release_value};
pub(crate) use keys::{
    MAX_METADATA_KEY, adapter_key, adapter_prefix, matrix_key, metadata_key, split_matrix_key,
    split_pair_key, tag_key, tag_prefix, version_key, version_prefix,
};
pub(crate) use read::{Node, ROOT, Subtree, for_each_leaf, get, read_node, scan};
