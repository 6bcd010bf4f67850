//! Care for the data directory: what is damaged, what is saved of it, how much space adapters take and share.

pub(crate) mod compact;
pub(crate) mod damage;
pub(crate) mod freeze;
pub(crate) mod grid_statistics;
pub(crate) mod salvage;
pub(crate) mod verify;
