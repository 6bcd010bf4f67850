//! The steps of a run over all weights.

use std::sync::atomic::AtomicBool;

use hyprstream_learning::limits::{count, within};
use hyprstream_learning::{
    AdamOptions, AdamW, BaseWeights, Error as LearningError, Example, Gradients, LossSum, Network, Rule,
    Shards, Tensors, Update, check_tokens, global_norm,
};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::full_training::contrastive::{self, mean_pool, unit_rows};
use crate::full_training::muon::{self, MatrixUpdate};
use crate::full_training::options::{FullBatch, FullOptions, FullReport, ProjectionRule};

/// A run over all weights of a model. The caller owns the order of the data: when a batch is a function of
/// [`FullTrainer::completed_steps`], a run that was saved and restored ends in the same weights.
pub struct FullTrainer {
    pub(super) base: BaseWeights,
    pub(super) adam: AdamW,
    pub(super) steps: usize,
    options: FullOptions,
    /// How each tensor is updated, in the order of [`BaseWeights::tensors`].
    rules: Vec<FullRule>,
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
        let adam = AdamW::new(&base.tensors());
        let rules = rules(&base, options.projections);
        let zeros = Gradients::zeros_for(&base);
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

    /// Makes one optimiser step on the sum of both losses, of which a batch may have one. An error leaves the weights as they were.
    pub fn step(&mut self, batch: &FullBatch<'_>, cancel: &AtomicBool) -> Result<FullReport> {
        self.check(batch)?;
        let mut report = FullReport { step: self.steps + 1, ..FullReport::default() };
        let network = Network::new(&self.base, cancel);
        self.shards.clear();
        if !batch.language.is_empty() {
            let examples: Vec<&Example> = batch.language.iter().collect();
            let weights = batch.language_weights;
            let sum = self.shards.language(|_| network, &examples, weights)?;
            report.loss = mean(&sum);
            report.tokens += sum.tokens;
        }
        if !batch.pairs.is_empty() {
            let loss = contrastive::add_gradient(&mut self.shards, network, batch)?;
            report.contrastive_loss = loss.nats as f32;
            report.contrastive_accuracy = loss.accuracy;
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
            let (step, grad_norm) = (report.step, report.grad_norm);
            return Err(LearningError::NonFinite { step, loss, grad_norm }.into());
        }
        let warmup = (f64::from(options.warmup_ratio) * options.total_steps as f64).ceil() as usize;
        report.learning_rate =
            options.learning_rate * options.scheduler.factor(self.steps, options.total_steps, warmup);
        let update =
            Update { step: report.step, learning_rate: report.learning_rate, grad_norm: report.grad_norm };
        let (adam, base, rules) = (&mut self.adam, &mut self.base, &self.rules);
        self.shards.pool().install(|| apply(base, adam, &gradients, rules, &options.adam, update));
        self.steps = report.step;
        Ok(report)
    }

    /// Mean cross-entropy of the examples' target tokens, in nats.
    pub fn evaluate(&self, examples: &[Example], cancel: &AtomicBool) -> Result<f32> {
        self.check(&FullBatch { language: examples, ..FullBatch::default() })?;
        let network = Network::new(&self.base, cancel);
        Ok(mean(&self.shards.evaluate(network, examples)?))
    }

    /// The representation that `embed` answers with: the mean of the final norm's rows, of length one.
    pub fn embed(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        for tokens in sequences {
            self.check_sequence(tokens)?;
        }
        let width = self.base.config().hidden_size;
        let cancel = AtomicBool::new(false);
        let network = Network::new(&self.base, &cancel);
        let pool = |hidden: &[f32], starts: &[usize]| mean_pool(hidden, starts, width);
        let pooled = self.shards.read_hidden(network, sequences, pool)?.concat();
        let (unit, _) = unit_rows(&pooled, width);
        Ok(unit.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    fn check(&self, batch: &FullBatch<'_>) -> Result<()> {
        let targets: usize = batch.language.iter().map(Example::target_tokens).sum();
        if targets == 0 && batch.pairs.is_empty() {
            return Err(Error::Argument("the batch has neither a target token nor a pair".to_owned()));
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
        Ok(check_tokens(tokens, self.base.config().vocab_size)?)
    }
}

/// How one tensor is updated.
#[derive(Clone, Copy)]
enum FullRule {
    AdamW(Rule),
    /// Of a matrix of so many columns.
    Muon(usize),
}

impl FullRule {
    /// What is left for `AdamW`.
    fn adam(self) -> Rule {
        match self {
            Self::AdamW(rule) => rule,
            Self::Muon(_) => Rule::Skipped,
        }
    }
}

/// The rule of every tensor, in the order of [`BaseWeights::tensors`].
fn rules(base: &BaseWeights, projections: ProjectionRule) -> Vec<FullRule> {
    let named = base.named_tensors();
    let rule = |tensor: &&[f32]| {
        let found = named.iter().find(|(_, _, values)| values.as_ptr() == tensor.as_ptr());
        match found {
            Some((name, shape, _))
                if projections == ProjectionRule::Muon && name.ends_with("_proj.weight") =>
            {
                FullRule::Muon(shape[1])
            }
            Some((_, shape, _)) if shape.len() > 1 => FullRule::AdamW(Rule::Decayed),
            _ => FullRule::AdamW(Rule::Undecayed),
        }
    };
    base.tensors().iter().map(rule).collect()
}

/// Updates all weights, each by its rule. Muon's momentum is the first moment.
fn apply(
    base: &mut BaseWeights,
    adam: &mut AdamW,
    gradients: &[&[f32]],
    rules: &[FullRule],
    options: &AdamOptions,
    update: Update,
) {
    let by_adam: Vec<Rule> = rules.iter().map(|rule| rule.adam()).collect();
    adam.update(base.tensors_mut(), gradients, &by_adam, options, update);
    let tensors = base.tensors_mut().into_par_iter().zip(gradients).zip(&mut adam.first).zip(rules);
    tensors.for_each(|(((weights, gradient), momentum), rule)| {
        if let FullRule::Muon(columns) = *rule {
            let decay = update.learning_rate * options.weight_decay;
            muon::update(MatrixUpdate { weights, gradient, momentum, columns }, update.learning_rate, decay);
        }
    });
}

fn mean(sum: &LossSum) -> f32 {
    (sum.loss / sum.targets.max(1) as f64) as f32
}
