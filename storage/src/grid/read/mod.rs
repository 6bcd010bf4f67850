//! Reading committed states: snapshots, matrices, metadata, and the difference between two versions.
//!
//! Readers take no lock and never write. They see one state, however long they live, and read of it only what they ask
//! for.

pub(crate) mod diff;
pub(crate) mod matrix;
pub(crate) mod metadata;
pub(crate) mod selection;
pub(crate) mod snapshot;
pub(crate) mod state;
