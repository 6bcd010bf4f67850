//! What a run is told: examples, hyperparameters, and what a step answers.

use crate::error::{Error, Result};
use crate::schedule::Scheduler;

/// One training sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion, as the model reads them.
    pub tokens: Vec<u32>,
    /// The first token that counts in the loss; the tokens before it are only read.
    pub completion_start: usize,
}

impl Example {
    /// The number of tokens that count in the loss. The first token of a sequence has nothing before it and never counts.
    pub fn target_tokens(&self) -> usize {
        self.tokens.len().saturating_sub(self.completion_start.max(1))
    }
}

/// The optimiser: `AdamW` with decoupled weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamOptions {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// The gradient is scaled down to this norm when it is longer; 0 turns clipping off.
    pub max_grad_norm: f32,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0 }
    }
}

impl AdamOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        within("adam_beta1", self.beta1, 0.0, 0.999_999)?;
        within("adam_beta2", self.beta2, 0.0, 0.999_999_9)?;
        within("adam_epsilon", self.epsilon, 1e-30, 1.0)?;
        within("weight_decay", self.weight_decay, 0.0, 10.0)?;
        within("max_grad_norm", self.max_grad_norm, 0.0, f32::MAX)
    }
}

/// The arithmetic of the matrix products. Sums, norms, softmax, gradients and weights are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout: the loss is the one that an f32 runtime answers with.
    #[default]
    F32,
    /// The factors of a product are rounded to bf16 where the processor has a matrix unit for it; elsewhere
    /// this is [`Precision::F32`].
    Bf16,
}

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
    /// Steps after which a sparse adapter gives the places of its smallest weights to others.
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

pub(crate) fn within(name: &str, value: f32, low: f32, high: f32) -> Result<()> {
    if value.is_finite() && value >= low && value <= high {
        return Ok(());
    }
    Err(Error::argument(format!("{name} is {value}; it must be between {low} and {high}")))
}

pub(crate) fn count(name: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::argument(format!("{name} is {value}; it must be between {low} and {high}")))
}
