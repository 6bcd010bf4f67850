//! Procedures over the data directory as a whole.

pub(super) mod backup;
pub(super) mod compact;
pub(super) mod verify_store;
