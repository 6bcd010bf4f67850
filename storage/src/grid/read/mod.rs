//! Reading committed states: snapshots, matrices, metadata, and the difference between two versions.
//!
//! Readers take no lock and never write. They see one state, however long they live, and read of it only what they ask
//! for.
//!
//! - `snapshot`: the way in: everything that can be asked of one state.
//! - `matrix`: the numbers of one matrix.
//! - `metadata`: metadata values, and a scan that goes on after damage.
//! - `diff`: what differs between two versions.
//! - `selection`: which layers, modules, rows and columns a reader wants.
//! - `state`: the states with readers, and the pointer to the newest.

pub(crate) mod diff;
pub(crate) mod matrix;
pub(crate) mod metadata;
pub(crate) mod selection;
pub(crate) mod snapshot;
pub(crate) mod state;
