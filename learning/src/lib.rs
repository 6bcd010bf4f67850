//! `LoRA` training: pure algorithms over models and data.
//!
//! [`LoraTrainer`] is the whole of it for most callers. The parts it is made of ([`Network`], [`Shards`], [`AdamW`],
//! [`kernels`], …) are public for trainers of other kinds, which bring their own loss, optimiser or [`Precision`].
//!
//! Invariants:
//! - A gradient is the derivative of the loss that is reported, written by hand for the llama, qwen2 and
//!   qwen3 families; tests compare it with finite differences and with an independent autograd.
//! - A batch is packed without padding: the tokens of its sequences stand one after the other and attention
//!   never leaves a sequence.
//! - A batch is split into a fixed number of shards whose gradients are added in a fixed order, so the same
//!   seed gives the same weights bit for bit whatever the number of threads or the load of the machine.
//! - Nothing here knows of SQL, sockets or storage. `unsafe` stays in [`kernels`].

mod adapter;
mod error;
pub mod kernels;
pub mod limits;
mod model;
mod network;
mod optimiser;
mod training;

pub use adapter::LoraConfig;
pub use error::{Error, Result};
pub use kernels::Precision;
pub use model::{BaseWeights, Tensors, gaussian};
pub use network::{Example, Gradients, Network, check_tokens};
pub use optimiser::{AdamOptions, AdamW, Rule, Scheduler, Update, global_norm};
pub use training::{LoraTrainer, LossSum, Pass, SavedRun, Shards, StepReport, TrainOptions};
