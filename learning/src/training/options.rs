//! What a run is told, and what a step reports.

use crate::error::{Error, Result};
use crate::kernels::Precision;
use crate::limits::{count, within};
use crate::optimiser::{AdamOptions, Scheduler};

/// The hyperparameters of a `LoRA` run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// The learning rate after the warm-up.
    pub learning_rate: f32,
    /// How often every example is seen.
    pub epochs: usize,
    /// Sequences a step.
    pub batch_size: usize,
    /// Longer examples are skipped and counted.
    pub max_seq_len: usize,
    /// How the learning rate falls.
    pub scheduler: Scheduler,
    /// The part of all steps in which the learning rate rises.
    pub warmup_ratio: f32,
    /// The optimiser's settings.
    pub adam: AdamOptions,
    /// The seed of everything that is drawn: the adapter's start, the order of the examples, dropout.
    pub seed: u64,
    /// Threads to work with; 0 takes all. The result does not depend on it.
    pub threads: usize,
    /// Shards a batch is split into. The result depends on it in the last bits, so it is fixed for a run.
    pub shards: usize,
    /// The arithmetic of the matrix products.
    pub precision: Precision,
    /// The share of the weights of each A and each B that is held at zero: at least 0 (none) and below 1.
    pub sparsity: f32,
    /// Steps between two moves of a sparse adapter's mask, each from its smallest weights to others.
    pub regrow_interval: usize,
    /// Whether the threads give way to what else the machine does. The result does not depend on it.
    pub in_background: bool,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            epochs: 3,
            batch_size: 8,
            max_seq_len: 1024,
            scheduler: Scheduler::Linear,
            warmup_ratio: 0.03,
            adam: AdamOptions::default(),
            seed: 0,
            threads: 0,
            shards: 4,
            precision: Precision::F32,
            sparsity: 0.0,
            regrow_interval: 10,
            in_background: false,
        }
    }
}

impl TrainOptions {
    /// Refuses values no run can be made with.
    pub fn validate(&self) -> Result<()> {
        within("learning_rate", self.learning_rate, 0.0, 1e3)?;
        within("warmup_ratio", self.warmup_ratio, 0.0, 1.0)?;
        count("epochs", self.epochs, 1, 1_000_000)?;
        count("batch_size", self.batch_size, 1, 65_536)?;
        count("max_seq_len", self.max_seq_len, 2, 1 << 24)?;
        count("shards", self.shards, 1, 1024)?;
        count("threads", self.threads, 0, 1024)?;
        count("regrow_interval", self.regrow_interval, 1, 1_000_000)?;
        if !(0.0..1.0).contains(&self.sparsity) {
            return Err(Error::argument(format!(
                "sparsity is {}; it must be at least 0 and below 1",
                self.sparsity
            )));
        }
        self.adam.validate()
    }
}

/// What one optimiser step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The step, from 1.
    pub step: usize,
    /// Passes over the examples so far, with the fraction of the present one.
    pub epoch: f32,
    /// Mean cross-entropy of the batch's target tokens before the update, in nats.
    pub loss: f32,
    /// The learning rate of the update.
    pub learning_rate: f32,
    /// The norm of the gradient before clipping.
    pub grad_norm: f32,
    /// Tokens that were computed, prompts included.
    pub tokens: usize,
    /// Tokens that counted in the loss.
    pub target_tokens: usize,
}
