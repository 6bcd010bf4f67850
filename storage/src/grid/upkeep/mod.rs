//! Looking after a store: counting, verifying, copying and compacting it.
//!
//! This room walks everything that a state refers to. It repairs nothing: damage is reported, or left out of a copy.

pub(crate) mod compact;
pub(crate) mod copy;
pub(crate) mod damage;
pub(crate) mod statistics;
pub(crate) mod verify;
