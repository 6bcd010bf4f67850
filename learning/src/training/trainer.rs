//! `LoRA` training: examples in, an adapter out.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyprstream_models::{ContentHash, LoraWeights, run_in_background};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::adapter::{Adapter, LoraConfig, Mask, Progress};
use crate::error::{Error, Result};
use crate::model::{BaseWeights, Tensors};
use crate::network::{AdapterView, Dropout, Example, Gradients, Network, check_tokens};
use crate::optimiser::{AdamW, Rule, Update, global_norm};
use crate::training::options::{StepReport, TrainOptions};
use crate::training::shards::Shards;
use crate::training::state::SavedRun;

/// A run of `LoRA` training, advanced step by step.
///
/// The same base, configuration, options and examples give the same weights bit for bit, at any number of
/// threads, and also when the run is stopped, saved with [`LoraTrainer::state`] and restored.
pub struct LoraTrainer {
    base: Arc<BaseWeights>,
    config: LoraConfig,
    options: TrainOptions,
    examples: Vec<Example>,
    skipped: usize,
    pub(crate) adapter: Adapter,
    /// Of a sparse run.
    pub(crate) mask: Option<Mask>,
    adam: AdamW,
    shards: Shards,
    steps: usize,
    order: EpochOrder,
}

/// The order of the examples in one epoch.
struct EpochOrder {
    epoch: usize,
    examples: Vec<usize>,
}

impl LoraTrainer {
    /// Prepares a run. Examples that are longer than `max_seq_len` or have no target token are skipped and counted.
    pub fn try_new(
        base: Arc<BaseWeights>,
        config: LoraConfig,
        options: TrainOptions,
        examples: Vec<Example>,
    ) -> Result<Self> {
        options.validate()?;
        config.validate(&base.dims)?;
        let total = examples.len();
        let fits =
            |example: &Example| example.tokens.len() <= options.max_seq_len && example.target_tokens() > 0;
        let examples: Vec<Example> = examples.into_iter().filter(fits).collect();
        let skipped = total - examples.len();
        if examples.is_empty() {
            return Err(Error::argument(format!(
                "no example to train on: of {total} rows {skipped} are empty or longer than max_seq_len ({})",
                options.max_seq_len
            )));
        }
        for example in &examples {
            check_tokens(&example.tokens, base.dims.vocab)?;
        }
        let mut adapter = Adapter::fresh(&config, &base.dims, options.seed);
        let mask = (options.sparsity > 0.0)
            .then(|| Mask::thin(&mut adapter, &config, options.sparsity))
            .transpose()?;
        let adam = AdamW::new(&adapter.tensors());
        let zeros = Gradients { adapter: Some(adapter.zeros_like()), weights: None };
        let count = options.shards.min(options.batch_size);
        let shards = Shards::try_new(options.threads, count, options.precision, &zeros)?;
        if options.in_background {
            shards.pool().broadcast(|_| run_in_background());
        }
        let order = EpochOrder::drawn(examples.len(), options.seed, 0);
        Ok(Self { base, config, options, examples, skipped, adapter, mask, adam, shards, steps: 0, order })
    }

    /// Examples that were left out.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> usize {
        self.steps_per_epoch() * self.options.epochs
    }

    /// Steps that were made.
    pub fn completed_steps(&self) -> usize {
        self.steps
    }

    /// Whether all steps were made.
    pub fn is_finished(&self) -> bool {
        self.steps >= self.total_steps()
    }

    /// Makes one optimiser step. An error, [`Error::Cancelled`] among them, leaves the weights as they were.
    pub fn step(&mut self, cancel: &AtomicBool) -> Result<StepReport> {
        if self.is_finished() {
            return Err(Error::argument(format!("the run is finished after {} steps", self.total_steps())));
        }
        let batch = self.next_batch();
        let (total, per_epoch) = (self.total_steps(), self.steps_per_epoch());
        let examples: Vec<&Example> = batch.iter().map(|&index| &self.examples[index]).collect();
        let whole = network(&self.base, &self.adapter, &self.config, cancel);
        let (rate, seed, steps) = (self.config.dropout, self.options.seed, self.steps);
        let dropping = |shard| Network { dropout: Dropout::new(rate, seed, steps, shard), ..whole };
        self.shards.clear();
        let sum = self.shards.language(dropping, &examples, &[])?;
        self.shards.reduce();
        let norm = self.gradient_norm();
        let loss = (sum.loss / sum.targets as f64) as f32;
        let step = self.steps + 1;
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(Error::NonFinite { step, loss, grad_norm: norm });
        }
        let norm = self.restrict_gradient(norm);
        let gradients = self.shards.sum().tensors();
        let options = &self.options;
        let warmup = (f64::from(options.warmup_ratio) * total as f64).ceil() as usize;
        let rate = options.learning_rate * options.scheduler.factor(self.steps, total, warmup);
        let rules = vec![Rule::Decayed; gradients.len()];
        let update = Update { step, learning_rate: rate, grad_norm: norm };
        let (adam, parameters) = (&mut self.adam, self.adapter.tensors_mut());
        self.shards.pool().install(|| adam.update(parameters, &gradients, &rules, &options.adam, update));
        self.steps = step;
        Ok(StepReport {
            step,
            epoch: step as f32 / per_epoch as f32,
            loss,
            learning_rate: rate,
            grad_norm: norm,
            tokens: sum.tokens,
            target_tokens: sum.targets,
        })
    }

    fn gradient_norm(&self) -> f32 {
        let gradients = self.shards.sum().tensors();
        self.shards.pool().install(|| global_norm(&gradients))
    }

    /// Moves the mask of a sparse run when it is time and clears the gradient outside the mask. Returns the norm of
    /// what is left.
    fn restrict_gradient(&mut self, norm: f32) -> f32 {
        let progress =
            Progress { steps: self.steps, total: self.total_steps(), interval: self.options.regrow_interval };
        let Some(mask) = &mut self.mask else { return norm };
        mask.advance(&mut self.adapter, &self.shards.sum().tensors(), &mut self.adam, progress);
        mask.apply(self.shards.sum_mut().tensors_mut());
        self.gradient_norm()
    }

    /// Mean cross-entropy of the examples' target tokens under the present adapter, in nats.
    pub fn evaluate(&self, examples: &[Example], cancel: &AtomicBool) -> Result<f32> {
        for example in examples {
            check_tokens(&example.tokens, self.base.dims.vocab)?;
        }
        let network = network(&self.base, &self.adapter, &self.config, cancel);
        let sum = self.shards.evaluate(network, examples)?;
        if sum.targets == 0 {
            return Err(Error::argument("no target token to evaluate on"));
        }
        Ok((sum.loss / sum.targets as f64) as f32)
    }

    /// The adapter as it stands; `base` is the content hash of the model it was trained on.
    pub fn weights(&self, base: ContentHash) -> LoraWeights {
        self.adapter.to_weights(base, &self.config)
    }

    /// Everything a later process needs to continue this run as if it had not stopped.
    pub fn state(&self) -> Vec<u8> {
        SavedRun::encode(
            &self.fingerprint(),
            self.steps,
            &self.adapter.tensors(),
            &self.adam,
            &self.mask.as_ref().map(Mask::to_bytes).unwrap_or_default(),
        )
    }

    /// Continues from [`LoraTrainer::state`] of a run with the same base, configuration, options and examples.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let lengths: Vec<usize> = self.adapter.tensors().iter().map(|tensor| tensor.len()).collect();
        let saved = SavedRun::decode(bytes, &self.fingerprint(), &lengths)?;
        if let Some(mask) = &mut self.mask
            && !mask.copy_from_bytes(&saved.mask)
        {
            return Err(Error::State("it does not hold the mask of a sparse run".to_owned()));
        }
        for (own, saved) in self.adapter.tensors_mut().into_iter().zip(&saved.parameters) {
            own.copy_from_slice(saved);
        }
        self.adam = saved.adam;
        self.steps = saved.steps;
        Ok(())
    }

    fn steps_per_epoch(&self) -> usize {
        self.examples.len().div_ceil(self.options.batch_size)
    }

    fn next_batch(&mut self) -> Vec<usize> {
        let epoch = self.steps / self.steps_per_epoch();
        if self.order.epoch != epoch {
            self.order = EpochOrder::drawn(self.examples.len(), self.options.seed, epoch);
        }
        let begin = self.steps % self.steps_per_epoch() * self.options.batch_size;
        let end = (begin + self.options.batch_size).min(self.examples.len());
        self.order.examples[begin..end].to_vec()
    }

    /// Of all that decides the run's weights, so not of the threads.
    fn fingerprint(&self) -> ContentHash {
        let options = TrainOptions { threads: 0, in_background: false, ..self.options.clone() };
        let mut text = format!("{:?} {:?} {options:?}", self.base.config, self.config).into_bytes();
        for example in &self.examples {
            text.extend((example.completion_start as u64).to_le_bytes());
            text.extend((example.tokens.len() as u64).to_le_bytes());
            text.extend(example.tokens.iter().flat_map(|token| token.to_le_bytes()));
        }
        ContentHash::of(&text)
    }
}

/// The model under its adapter, with nothing dropped.
fn network<'a>(
    base: &'a BaseWeights,
    adapter: &'a Adapter,
    config: &LoraConfig,
    cancel: &'a AtomicBool,
) -> Network<'a> {
    let adapter = AdapterView { pairs: adapter, rank: config.rank, scale: config.scale() };
    Network { adapter: Some(adapter), ..Network::new(base, cancel) }
}

impl EpochOrder {
    fn drawn(count: usize, seed: u64, epoch: usize) -> Self {
        let mut examples: Vec<usize> = (0..count).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Stream 0 draws the adapter's start.
        rng.set_stream(epoch as u64 + 1);
        examples.shuffle(&mut rng);
        Self { epoch, examples }
    }
}
