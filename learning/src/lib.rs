//! `LoRA` and full-parameter training: pure algorithms over models and data.
//!
//! Invariants:
//! - A gradient is the derivative of the loss that is reported, written by hand for the llama, qwen2 and
//!   qwen3 families; tests compare it with finite differences and with an independent autograd.
//! - A batch is packed without padding: the tokens of its sequences stand one after the other and attention
//!   never leaves a sequence.
//! - A batch is split into a fixed number of shards whose gradients are added in a fixed order, so the same
//!   seed gives the same weights bit for bit whatever the number of threads or the load of the machine.
//! - Nothing here knows of SQL, sockets or storage. `unsafe` stays in [`kernels`].

mod adamw;
mod attention;
#[cfg(test)]
mod autograd_tests;
mod backward;
mod contrastive;
mod dropout;
mod error;
mod forward;
mod full;
mod full_state;
#[cfg(test)]
mod gradient_tests;
mod kernels;
mod linear;
mod lora;
mod loss;
mod muon;
mod network;
mod norm;
mod options;
mod pack;
mod rope;
mod schedule;
mod shards;
mod sparsity;
#[cfg(test)]
mod sparsity_tests;
mod state;
mod trainer;
mod weights;
mod workspace;

pub use error::{Error, Result};
pub use full::{FullBatch, FullOptions, FullReport, FullTrainer, ProjectionRule};
pub use lora::LoraConfig;
pub use options::{AdamOptions, Example, Precision, StepReport, TrainOptions};
pub use schedule::Scheduler;
pub use trainer::LoraTrainer;
pub use weights::BaseWeights;
