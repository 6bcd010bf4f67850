//! The training run: what a step sees is a function of the seed and the number of the step, so that a run that
//! was interrupted continues as if it had not been.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use hyprstream_learning::{AdamOptions, BaseWeights, Example, Scheduler};
use hyprstream_models::{Architecture, ModelConfig};
use tokenizers::Tokenizer;

use crate::chat::{Chat, END};
use crate::corpus::tasks::capitals::COUNTRIES;
use crate::corpus::tasks::{paraphrases, plain_answers};
use crate::corpus::upper_first;
use crate::corpus::{self, Mixture, Split, Task};
use crate::error::{Error, Result};
use crate::full_training::{FullBatch, FullOptions, FullReport, FullTrainer, ProjectionRule};
use crate::rng::Rng;
use crate::tokenizer::{self, CONTEXT, VOCABULARY};

/// The settings of a run.
#[derive(Args, Clone, Debug)]
pub struct TrainSettings {
    /// Where the tokenizer is and the model is written.
    #[arg(long, default_value = "models/bundled")]
    pub dir: PathBuf,
    /// The file of the state to continue from; without it `training.state.tmp` beside the model.
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// The seed of the corpus and of the first weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Steps of the run, which the learning rate's fall spans.
    #[arg(long, default_value_t = 6000)]
    pub steps: usize,
    /// How many of them see all tasks alike, so that facts are known by heart before copying is practised; the others
    /// see more of what is learnt slowest.
    #[arg(long, default_value_t = 1200)]
    pub first_steps: usize,
    /// The highest learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f32,
    /// Let the projections follow `AdamW` too, and not Muon.
    #[arg(long)]
    pub adamw: bool,
    /// Tokens of questions and answers a step.
    #[arg(long, default_value_t = 3072)]
    pub batch_tokens: usize,
    /// Pairs of paraphrases in every second step.
    #[arg(long, default_value_t = 24)]
    pub pairs: usize,
    /// Minutes between two saves.
    #[arg(long, default_value_t = 4)]
    pub save_minutes: u64,
    /// Threads; the weights do not depend on their number.
    #[arg(long, default_value_t = 4)]
    pub threads: usize,
}

impl TrainSettings {
    /// The file of the run's state; by default under a name beside the model that is never shipped.
    fn state(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.dir.join("training.state.tmp"))
    }
}

const SYSTEMS: &[&str] = &[
    "You are a helpful assistant.",
    "You are a database assistant.",
    "Answer briefly.",
    "Answer in as few words as possible.",
    "Be concise.",
    "You are a careful clerk.",
    "You answer questions.",
    "Reply with the answer only.",
];

/// The shape of the bundled model.
pub fn config(tokenizer: &Tokenizer) -> ModelConfig {
    ModelConfig {
        architecture: Architecture::Qwen3,
        vocab_size: VOCABULARY,
        hidden_size: 256,
        intermediate_size: 512,
        num_hidden_layers: 5,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: false,
        max_position_embeddings: CONTEXT,
        bos_token_id: None,
        eos_token_ids: tokenizer.token_to_id(END).into_iter().collect(),
    }
}

/// Trains the tokenizer and the model, or continues a run whose state is found, and writes them into the settings'
/// directory.
pub fn train(settings: &TrainSettings) -> Result<()> {
    std::fs::create_dir_all(&settings.dir).map_err(Error::io("create", &settings.dir))?;
    let state = settings.state();
    let continued = state.exists();
    if !continued {
        tokenizer::save(&tokenizer::train(settings.seed)?, &settings.dir)?;
    }
    let tokenizer = tokenizer::load(&settings.dir)?;
    let config = config(&tokenizer);
    let path = settings.dir.join("config.json");
    std::fs::write(&path, config.to_json()).map_err(Error::io("write", path))?;
    let weights = BaseWeights::random(&config, settings.seed)?;
    eprintln!("{} parameters, {} steps", weights.parameter_count(), settings.steps);
    let mut trainer = FullTrainer::try_new(weights, options(settings))?;
    if continued {
        trainer.restore_state(&state)?;
        eprintln!("continues after step {}", trainer.completed_steps());
    }
    run(&mut trainer, settings, &tokenizer)?;
    save(&trainer, settings)
}

fn options(settings: &TrainSettings) -> FullOptions {
    FullOptions {
        learning_rate: settings.learning_rate,
        total_steps: settings.steps,
        scheduler: Scheduler::Cosine,
        warmup_ratio: 0.01,
        projections: if settings.adamw { ProjectionRule::AdamW } else { ProjectionRule::Muon },
        adam: AdamOptions { beta2: 0.98, weight_decay: 0.05, max_grad_norm: 1.0, ..AdamOptions::default() },
        max_seq_len: CONTEXT,
        threads: settings.threads,
        ..FullOptions::default()
    }
}

fn run(trainer: &mut FullTrainer, settings: &TrainSettings, tokenizer: &Tokenizer) -> Result<()> {
    let chat = Chat::try_new(tokenizer)?;
    let cancel = AtomicBool::new(false);
    let (started, first) = (Instant::now(), trainer.completed_steps());
    let (mut saved, mut tokens, mut sums) = (Instant::now(), 0, Sums::default());
    while trainer.completed_steps() < settings.steps {
        let step = trainer.completed_steps();
        let mixture = if step < settings.first_steps { Mixture::First } else { Mixture::Second };
        let mut rng = Rng::new(settings.seed, 1000 + step as u64);
        let language = language_batch(&mut rng, &chat, mixture, settings.batch_tokens)?;
        let weights: Vec<f32> = language.iter().map(weight).collect();
        let pairs = if step.is_multiple_of(2) {
            pairs_batch(&mut rng, &chat, mixture.split(), settings.pairs)?
        } else {
            Vec::new()
        };
        let batch = FullBatch {
            language: &language,
            language_weights: &weights,
            pairs: &pairs,
            temperature: 0.05,
            contrastive_weight: 0.3,
        };
        let report = trainer.step(&batch, &cancel)?;
        tokens += report.tokens;
        sums.add(&report);
        if report.step.is_multiple_of(25) {
            let elapsed = started.elapsed().as_secs_f64();
            let left = elapsed / (report.step - first) as f64 * (settings.steps - report.step) as f64;
            eprintln!(
                "step {} {} learning rate {:.2e}, {:.0} tokens/s, {tokens} tokens, {:.0} min left",
                report.step,
                sums.take(),
                report.learning_rate,
                tokens as f64 / elapsed,
                left / 60.0,
            );
        }
        if saved.elapsed().as_secs() >= settings.save_minutes * 60 {
            save(trainer, settings)?;
            saved = Instant::now();
        }
    }
    Ok(())
}

/// A token of a short answer counts more than one of a long one, most of which is known once it has begun: `positive`
/// is all that a review teaches, and the keys of a JSON object teach little.
fn weight(example: &Example) -> f32 {
    1.0 / (example.target_tokens().max(1) as f32).sqrt()
}

#[derive(Default)]
struct Sums {
    steps: f32,
    language: f32,
    pairs: f32,
    contrastive: f32,
    hits: f32,
}

impl Sums {
    fn add(&mut self, report: &FullReport) {
        self.steps += 1.0;
        self.language += report.loss;
        if report.contrastive_loss > 0.0 {
            self.pairs += 1.0;
            self.contrastive += report.contrastive_loss;
            self.hits += report.contrastive_accuracy;
        }
    }

    fn take(&mut self) -> String {
        let sums = std::mem::take(self);
        let pairs = sums.pairs.max(1.0);
        format!(
            "loss {:.3}, pairs {:.3} ({:.0} %),",
            sums.language / sums.steps,
            sums.contrastive / pairs,
            100.0 * sums.hits / pairs
        )
    }
}

fn save(trainer: &FullTrainer, settings: &TrainSettings) -> Result<()> {
    trainer.save_safetensors(&settings.dir.join("model.safetensors"))?;
    trainer.save_state(&settings.state())
}

fn language_batch(rng: &mut Rng, chat: &Chat<'_>, mixture: Mixture, most: usize) -> Result<Vec<Example>> {
    let (mut batch, mut tokens) = (Vec::new(), 0);
    while tokens < most {
        let example = example(rng, chat, mixture)?;
        if example.tokens.len() <= CONTEXT {
            tokens += example.tokens.len();
            batch.push(example);
        }
    }
    Ok(batch)
}

/// A question with its answer, at times after another one or under a system prompt, or a plain sentence.
fn example(rng: &mut Rng, chat: &Chat<'_>, mixture: Mixture) -> Result<Example> {
    if rng.chance(0.04) {
        return Ok(Example { tokens: chat.text(&sentence(rng))?, completion_start: 1 });
    }
    let mut tokens = Vec::new();
    let system = rng.chance(0.03).then(|| *rng.pick(SYSTEMS));
    let turns = if rng.chance(0.04) { rng.between(2, 3) } else { 1 };
    let mut completion_start = 0;
    for turn in 0..turns {
        let sample = corpus::mixed(rng, mixture);
        tokens.extend(chat.question(system.filter(|_| turn == 0), &sample.prompt)?);
        completion_start = tokens.len();
        tokens.extend(chat.answer(&sample.answer)?);
    }
    Ok(Example { tokens, completion_start })
}

/// Plain text without turns, for prompts that are sent raw.
fn sentence(rng: &mut Rng) -> String {
    match rng.index(3) {
        0 => {
            let country = rng.pick(COUNTRIES.as_slice());
            match rng.index(3) {
                0 => format!("The capital of {} is {}.", country.name, country.capital),
                1 => format!("{} is the capital of {}.", country.capital, country.name),
                _ => format!("{} is in {}.", upper_first(country.name), country.continent),
            }
        }
        1 => {
            let (thing, meaning) = *rng.pick(plain_answers::DEFINITIONS.as_slice());
            format!("{} is {meaning}.", upper_first(thing))
        }
        _ => Task::Sums.sample(rng, Split::Train).prompt,
    }
}

fn pairs_batch(
    rng: &mut Rng,
    chat: &Chat<'_>,
    split: Split,
    count: usize,
) -> Result<Vec<(Vec<u32>, Vec<u32>)>> {
    paraphrases::batch(rng, split, count).iter().map(|(a, b)| Ok((chat.text(a)?, chat.text(b)?))).collect()
}
