//! Training of all weights: next tokens, pooled representations, or both in one step.

use std::sync::atomic::AtomicBool;

use crate::adamw::{AdamW, Rule, global_norm};
use crate::contrastive::unit_rows;
use crate::error::{Error, Result};
use crate::network::{Gradients, Network};
use crate::options::{AdamOptions, Example, Precision, count, within};
use crate::pack::check_tokens;
use crate::schedule::Scheduler;
use crate::shards::{LanguageSum, Shards};
use crate::weights::BaseWeights;

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
            precision: Precision::Bf16,
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

/// A run over all weights of a model. The caller owns the order of the data: when a batch is a function of
/// [`FullTrainer::completed_steps`], a run that was saved and restored ends in the same weights.
pub struct FullTrainer {
    pub(crate) base: BaseWeights,
    pub(crate) adam: AdamW,
    pub(crate) steps: usize,
    options: FullOptions,
    rules: Vec<Rule>,
    shards: Shards,
}

impl FullTrainer {
    /// Prepares a run from these weights.
    pub fn try_new(base: BaseWeights, options: FullOptions) -> Result<Self> {
        within("learning_rate", options.learning_rate, 0.0, 1e3)?;
        within("warmup_ratio", options.warmup_ratio, 0.0, 1.0)?;
        count("total_steps", options.total_steps, 1, 1 << 40)?;
        count("shards", options.shards, 1, 1024)?;
        count("threads", options.threads, 0, 1024)?;
        options.adam.validate()?;
        let adam = AdamW::new(&base.weights.tensors());
        let rules = rules(&base, options.projections);
        let zeros = Gradients { adapter: None, weights: Some(base.weights.zeros_like()) };
        let shards = Shards::try_new(options.threads, options.shards, options.precision, &zeros)?;
        Ok(Self { base, adam, steps: 0, options, rules, shards })
    }

    /// Steps that were made.
    pub fn completed_steps(&self) -> usize {
        self.steps
    }

    /// The weights as they stand.
    pub fn weights(&self) -> &BaseWeights {
        &self.base
    }

    /// Makes one optimiser step on next tokens.
    pub fn language_step(&mut self, examples: &[Example], cancel: &AtomicBool) -> Result<FullReport> {
        self.step(&FullBatch { language: examples, ..FullBatch::default() }, cancel)
    }

    /// Makes one optimiser step on pairs.
    pub fn contrastive_step(
        &mut self,
        pairs: &[(Vec<u32>, Vec<u32>)],
        temperature: f32,
        cancel: &AtomicBool,
    ) -> Result<FullReport> {
        self.step(&FullBatch { pairs, temperature, contrastive_weight: 1.0, ..FullBatch::default() }, cancel)
    }

    /// Makes one optimiser step on the sum of both losses. An error leaves the weights as they were.
    pub fn step(&mut self, batch: &FullBatch<'_>, cancel: &AtomicBool) -> Result<FullReport> {
        self.check(batch)?;
        let mut report = FullReport { step: self.steps + 1, ..FullReport::default() };
        let network = Network { base: &self.base, adapter: None, dropout: None, cancel };
        self.shards.clear();
        if !batch.language.is_empty() {
            let examples: Vec<&Example> = batch.language.iter().collect();
            let weights = batch.language_weights;
            let sum = self.shards.language(|_| network, &examples, weights)?;
            report.loss = mean(&sum);
            report.tokens += sum.tokens;
        }
        if !batch.pairs.is_empty() {
            let weight = batch.contrastive_weight;
            let contrast = self.shards.contrastive(network, batch.pairs, batch.temperature, weight)?;
            report.contrastive_loss = contrast.loss as f32;
            report.contrastive_accuracy = contrast.accuracy;
            report.tokens += batch.pairs.iter().map(|(left, right)| left.len() + right.len()).sum::<usize>();
        }
        self.update(report)
    }

    fn update(&mut self, mut report: FullReport) -> Result<FullReport> {
        let options = &self.options;
        self.shards.reduce();
        let gradients = self.shards.sum().tensors();
        report.grad_norm = self.shards.pool().install(|| global_norm(&gradients));
        let loss = report.loss + report.contrastive_loss;
        if !(loss.is_finite() && report.grad_norm.is_finite()) {
            return Err(Error::NonFinite { step: report.step, loss, grad_norm: report.grad_norm });
        }
        let warmup = (f64::from(options.warmup_ratio) * options.total_steps as f64).ceil() as usize;
        report.learning_rate =
            options.learning_rate * options.scheduler.factor(self.steps, options.total_steps, warmup);
        let constants = (report.learning_rate, report.step, report.grad_norm);
        let parameters = self.base.weights.tensors_mut();
        let (adam, rules) = (&mut self.adam, &self.rules);
        self.shards.pool().install(|| adam.update(parameters, &gradients, rules, &options.adam, constants));
        self.steps = report.step;
        Ok(report)
    }

    /// Mean cross-entropy of the examples' target tokens, in nats.
    pub fn evaluate(&self, examples: &[Example], cancel: &AtomicBool) -> Result<f32> {
        self.check(&FullBatch { language: examples, ..FullBatch::default() })?;
        let network = Network { base: &self.base, adapter: None, dropout: None, cancel };
        Ok(mean(&self.shards.evaluate(network, examples)?))
    }

    /// The representation that `embed` answers with: the mean of the final norm's rows, of length one.
    pub fn embed(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        for tokens in sequences {
            self.check_sequence(tokens)?;
        }
        let width = self.base.dims.hidden;
        let cancel = AtomicBool::new(false);
        let network = Network { base: &self.base, adapter: None, dropout: None, cancel: &cancel };
        let pooled = self.shards.pooled(network, sequences)?;
        let (unit, _) = unit_rows(&pooled, width);
        Ok(unit.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    fn check(&self, batch: &FullBatch<'_>) -> Result<()> {
        let targets: usize = batch.language.iter().map(Example::target_tokens).sum();
        if targets == 0 && batch.pairs.is_empty() {
            return Err(Error::argument("the batch has neither a target token nor a pair"));
        }
        if !batch.language_weights.is_empty() {
            let (weights, examples) = (batch.language_weights, batch.language.len());
            count("the number of weights", weights.len(), examples, examples)?;
            for &weight in weights {
                within("a weight", weight, 1e-6, 1e6)?;
            }
        }
        if !batch.pairs.is_empty() {
            within("temperature", batch.temperature, 1e-4, 100.0)?;
            within("contrastive_weight", batch.contrastive_weight, 0.0, 1e6)?;
        }
        let paired = batch.pairs.iter().flat_map(|(left, right)| [left, right]);
        let examples = batch.language.iter().map(|example| &example.tokens);
        examples.chain(paired).try_for_each(|tokens| self.check_sequence(tokens))
    }

    fn check_sequence(&self, tokens: &[u32]) -> Result<()> {
        count("the length of a sequence", tokens.len(), 1, self.options.max_seq_len)?;
        check_tokens(tokens, self.base.dims.vocab)
    }
}

/// The rule of every tensor, in the order of `Weights::tensors`.
fn rules(base: &BaseWeights, projections: ProjectionRule) -> Vec<Rule> {
    let named = base.named_tensors();
    let rule = |tensor: &&[f32]| {
        let found = named.iter().find(|(_, _, values)| values.as_ptr() == tensor.as_ptr());
        match found {
            Some((name, shape, _))
                if projections == ProjectionRule::Muon && name.ends_with("_proj.weight") =>
            {
                Rule::Muon { rows: shape[0], columns: shape[1] }
            }
            found => Rule::Adam { decays: found.is_some_and(|(_, shape, _)| shape.len() > 1) },
        }
    };
    base.weights.tensors().iter().map(rule).collect()
}

fn mean(sum: &LanguageSum) -> f32 {
    (sum.loss / sum.targets.max(1) as f64) as f32
}
