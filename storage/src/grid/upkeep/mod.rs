//! Looking after a store: counting, verifying, copying and compacting it.
//!
//! This module walks everything that a state refers to. It repairs nothing: damage is reported, or left out of a copy.
//!
//! - `statistics`: how much there is and how much of it is shared.
//! - `verify`: every object is read and checked; `damage` is what is reported.
//! - `compact`: replacing the store by a copy without holes, and copying a snapshot elsewhere; `copy` copies the trees.

pub(crate) mod compact;
pub(crate) mod copy;
pub(crate) mod damage;
pub(crate) mod statistics;
pub(crate) mod verify;
