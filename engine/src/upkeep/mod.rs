//! Upkeep of a data directory: opening, verifying, backing up and salvaging it, the space that adapters take, freezing and
//! compacting them.

pub(crate) mod backup;
pub(crate) mod compact;
mod copying;
pub(crate) mod damage;
pub(crate) mod freeze;
pub(crate) mod grid_statistics;
pub(crate) mod opening;
pub(crate) mod restore;
pub(crate) mod salvage;
pub(crate) mod verify;
