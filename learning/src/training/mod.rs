//! A run: its options, its steps over shards of a batch, and its saved state.

mod options;
mod shards;
mod state;
#[cfg(test)]
mod tests;
mod trainer;

pub use options::{StepReport, TrainOptions};
pub use shards::{LossSum, Pass, Shards};
pub use state::SavedRun;
pub use trainer::LoraTrainer;
