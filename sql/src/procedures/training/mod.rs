//! Procedures over training runs.

pub(super) mod cancel_training;
pub(super) mod checkpoint_adapter;
pub(super) mod train_adapter;
mod training_data;
