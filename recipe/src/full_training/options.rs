//! What a run over all weights is told, and what a step reports.

use hyprstream_learning::{AdamOptions, Example, Precision, Scheduler};

use crate::full_training::bf16::BF16;

/// The hyperparameters of a run over all weights.
#[derive(Clone, Debug, PartialEq)]
pub struct FullOptions {
    /// The learning rate after the warm-up.
    pub learning_rate: f32,
    /// Steps of the whole run, which the schedule spans.
    pub total_steps: usize,
    /// How the learning rate falls.
    pub scheduler: Scheduler,
    /// The part of all steps in which the learning rate rises.
    pub warmup_ratio: f32,
    /// The rule for the projections of the layers; embedding, head, norms and biases follow `AdamW`.
    pub projections: ProjectionRule,
    /// The optimiser's settings; decay spares norms and biases.
    pub adam: AdamOptions,
    /// Longer sequences are refused.
    pub max_seq_len: usize,
    /// Threads to work with; 0 takes all. The result does not depend on it.
    pub threads: usize,
    /// Shards a batch is split into. The result depends on it in the last bits, so it is fixed for a run.
    pub shards: usize,
    /// The arithmetic of the matrix products.
    pub precision: Precision,
}

/// How the seven projections of a layer are updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProjectionRule {
    /// As everything else.
    #[default]
    AdamW,
    /// By momentum whose singular values are brought near one, which learns more from a step.
    Muon,
}

impl Default for FullOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            total_steps: 1000,
            scheduler: Scheduler::Cosine,
            warmup_ratio: 0.02,
            projections: ProjectionRule::AdamW,
            adam: AdamOptions { beta2: 0.98, weight_decay: 0.05, ..AdamOptions::default() },
            max_seq_len: 1024,
            threads: 0,
            shards: 4,
            precision: BF16,
        }
    }
}

/// The data of one step; either part may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullBatch<'a> {
    /// Sequences whose next tokens are learnt.
    pub language: &'a [Example],
    /// How much the tokens of each sequence count in the mean whose gradient is taken; empty lets all count alike.
    pub language_weights: &'a [f32],
    /// Texts that belong together; the others of the batch are their negatives.
    pub pairs: &'a [(Vec<u32>, Vec<u32>)],
    /// What the cosine similarities are divided by.
    pub temperature: f32,
    /// The factor of the contrastive loss beside the language loss.
    pub contrastive_weight: f32,
}

/// What one step did. A loss is 0 when its part of the batch was empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FullReport {
    /// The step, from 1.
    pub step: usize,
    /// Mean cross-entropy of the target tokens before the update, in nats.
    pub loss: f32,
    /// Mean `InfoNCE` loss of the pairs before the update, in nats.
    pub contrastive_loss: f32,
    /// How often a text's partner was the most similar of the batch.
    pub contrastive_accuracy: f32,
    /// The learning rate of the update.
    pub learning_rate: f32,
    /// The norm of the gradient before clipping.
    pub grad_norm: f32,
    /// Tokens that were computed.
    pub tokens: usize,
}
