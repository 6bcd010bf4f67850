//! Upkeep of a data directory: verifying and salvaging it, the space that adapters take, freezing and compacting them.

pub(crate) mod compact;
pub(crate) mod damage;
pub(crate) mod freeze;
pub(crate) mod grid_statistics;
pub(crate) mod salvage;
pub(crate) mod verify;
