//! Procedures over the versions of adapters.

pub(super) mod branch_adapter;
mod columns;
pub(super) mod drop_adapter;
pub(super) mod export_adapter;
pub(super) mod freeze_adapter;
pub(super) mod import_adapter;
pub(super) mod restore_adapter;
pub(super) mod rotate_adapter;
pub(super) mod tag_adapter;
pub(super) mod thaw_adapter;
