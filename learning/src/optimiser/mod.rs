//! From gradients to updates: `AdamW` and the learning rate over a run.

mod adamw;
mod schedule;

pub use adamw::{AdamOptions, AdamW, Rule, Update, global_norm};
pub use schedule::Scheduler;
