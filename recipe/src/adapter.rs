//! How well a low-rank adapter learns a list of names and what they mean, on phrasings of which some are held out.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use hyprstream_learning::{
    AdamOptions, BaseWeights, Example, LoraConfig, LoraTrainer, Scheduler, TrainOptions,
};
use hyprstream_models::Module;

use crate::answer::Answerer;
use crate::chat::END;
use crate::corpus::Phrasings;
use crate::corpus::{Sample, Split, Task};
use crate::error::{Error, Result};
use crate::evaluate::{self, Score};
use crate::rng::Rng;

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../data/phrasings/adapter.txt")));

/// The settings of an adapter's run.
#[derive(Args, Clone, Debug)]
pub struct AdapterSettings {
    /// The adapter's rank; the scale is twice as much over it.
    #[arg(long, default_value_t = 16)]
    pub rank: usize,
    /// The highest learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f32,
    /// How often every pair is seen.
    #[arg(long, default_value_t = 16)]
    pub epochs: usize,
    /// Pairs a step.
    #[arg(long, default_value_t = 32)]
    pub batch_size: usize,
    /// How many phrasings of each name are trained.
    #[arg(long, default_value_t = 4)]
    pub phrasings: usize,
    /// Give every name another one's meaning, which leaves nothing to learn but by heart.
    #[arg(long)]
    pub shuffled: bool,
    /// The seed of the adapter and of the order.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct AdapterScores {
    /// Exact answers to the questions that were trained.
    pub trained: Score,
    /// Exact answers to questions in words that were not.
    pub held_out: Score,
    /// The last step's loss.
    pub loss: f32,
    /// Seconds of training.
    pub seconds: f64,
    /// Tokens that were computed.
    pub tokens: usize,
}

/// Reads `name|meaning` lines.
pub fn read_pairs(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let pairs: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()))
        .collect();
    if pairs.is_empty() {
        return Err(Error::Argument(format!("{} has no line `name|meaning`", path.display())));
    }
    Ok(pairs)
}

/// Trains an adapter on `pairs` and asks it; against the true meanings, however they were shuffled.
pub fn learn(
    answerer: &mut Answerer,
    pairs: &[(String, String)],
    settings: &AdapterSettings,
) -> Result<AdapterScores> {
    let trained = PHRASINGS.of("asked", Split::Train);
    let trained = &trained[..settings.phrasings.min(trained.len())];
    let mut taught = pairs.to_vec();
    if settings.shuffled {
        shuffle_meanings(&mut taught, settings.seed);
    }
    let examples =
        asked(&taught, trained).iter().map(|sample| example(answerer, sample)).collect::<Result<Vec<_>>>()?;
    let base = BaseWeights::from_tensors(answerer.files().tensors())?;
    let (config, options) = run_options(settings);
    let mut trainer = LoraTrainer::try_new(base, config, options, examples)?;
    let (started, cancel) = (Instant::now(), AtomicBool::new(false));
    let (mut loss, mut tokens) = (0.0, 0);
    while !trainer.is_finished() {
        let report = trainer.step(&cancel)?;
        (loss, tokens) = (report.loss, tokens + report.tokens);
        if report.step.is_multiple_of(50) {
            let (total, elapsed) = (trainer.total_steps(), started.elapsed().as_secs_f64());
            eprintln!(
                "step {} of {total}, loss {loss:.4}, {:.0} tokens/s",
                report.step,
                tokens as f64 / elapsed
            );
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    answerer.set_adapter(Some(&trainer.weights(answerer.files().content_hash())))?;
    let held_out = asked(pairs, PHRASINGS.of("asked", Split::HeldOut));
    let (trained, _) = evaluate::score(answerer, Task::PlainAnswers, &asked(pairs, trained))?;
    let (held_out, _) = evaluate::score(answerer, Task::PlainAnswers, &held_out)?;
    answerer.set_adapter(None)?;
    Ok(AdapterScores { trained, held_out, loss, seconds, tokens })
}

fn run_options(settings: &AdapterSettings) -> (LoraConfig, TrainOptions) {
    let config = LoraConfig {
        rank: settings.rank,
        alpha: 2.0 * settings.rank as f32,
        target_modules: Module::ALL.to_vec(),
        dropout: 0.0,
    };
    let options = TrainOptions {
        learning_rate: settings.learning_rate,
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        scheduler: Scheduler::Cosine,
        warmup_ratio: 0.05,
        adam: AdamOptions::default(),
        seed: settings.seed,
        ..TrainOptions::default()
    };
    (config, options)
}

fn shuffle_meanings(pairs: &mut [(String, String)], seed: u64) {
    let mut meanings: Vec<String> = pairs.iter().map(|pair| pair.1.clone()).collect();
    Rng::new(seed, 79).shuffle(&mut meanings);
    for (pair, meaning) in pairs.iter_mut().zip(meanings) {
        pair.1 = meaning;
    }
}

fn asked(pairs: &[(String, String)], phrasings: &[&str]) -> Vec<Sample> {
    pairs
        .iter()
        .flat_map(|(name, meaning)| {
            phrasings.iter().map(|phrasing| Sample::new(phrasing.replace("{x}", name), meaning.as_str()))
        })
        .collect()
}

fn example(answerer: &Answerer, sample: &Sample) -> Result<Example> {
    let mut tokens = answerer.prompt(&sample.prompt)?;
    let completion_start = tokens.len();
    tokens.extend(answerer.files().tokenizer().encode(&format!("{}{END}", sample.answer), false)?);
    Ok(Example { tokens, completion_start })
}
