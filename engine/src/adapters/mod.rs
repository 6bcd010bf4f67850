//! Adapters: their names, versions and checkpoints in the weight store.
//!
//! Matrices lie in the store under adapter / version / layer / module / `A` or `B`. The record of a version or of a
//! checkpoint is metadata of the same store, so that both appear in one commit or not at all. A published version never
//! changes.

pub(crate) mod checkpoints;
pub(crate) mod delayed_sync;
pub(crate) mod matrices;
pub(crate) mod name;
pub(crate) mod record;
pub(crate) mod resolve;
pub(crate) mod store;
pub(crate) mod versions;
pub(crate) mod weights;
