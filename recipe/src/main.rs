//! Trains, samples and evaluates the bundled model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hyprstream_bundled_recipe::adapter::{self, AdapterSettings};
use hyprstream_bundled_recipe::answer::Answerer;
use hyprstream_bundled_recipe::corpus::tasks::paraphrases;
use hyprstream_bundled_recipe::evaluate::{self, Miss};
use hyprstream_bundled_recipe::rng::Rng;
use hyprstream_bundled_recipe::train::{self, TrainSettings};
use hyprstream_bundled_recipe::{Result, Split, Task, tokenizer};

#[derive(Parser)]
#[command(about = "The recipe of the bundled model")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the tokenizer alone.
    Tokenizer {
        /// Where to write tokenizer.json and `tokenizer_config.json`.
        #[arg(long, default_value = "models/bundled")]
        dir: PathBuf,
        /// The seed of the corpus.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Train the tokenizer and the model, or continue where its last saved state stands.
    Train {
        /// Where the tokenizer is and the model is written.
        #[arg(long, default_value = "models/bundled")]
        dir: PathBuf,
        /// The file of the state to continue from; without it `training.state.tmp` beside the model.
        #[arg(long)]
        state: Option<PathBuf>,
        /// The seed of the corpus and of the first weights.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Steps of the run.
        #[arg(long, default_value_t = 6000)]
        steps: usize,
        /// How many of them see all tasks alike; the others see more of what is learnt slowest.
        #[arg(long, default_value_t = 1200)]
        first_steps: usize,
        /// The highest learning rate.
        #[arg(long, default_value_t = 3e-3)]
        learning_rate: f32,
        /// Let the projections follow `AdamW` too, and not Muon.
        #[arg(long)]
        adamw: bool,
        /// Tokens of questions and answers a step.
        #[arg(long, default_value_t = 3072)]
        batch_tokens: usize,
        /// Pairs of paraphrases in every second step.
        #[arg(long, default_value_t = 24)]
        pairs: usize,
        /// Minutes between two saves.
        #[arg(long, default_value_t = 4)]
        save_minutes: u64,
        /// Threads; the weights do not depend on their number.
        #[arg(long, default_value_t = 4)]
        threads: usize,
    },
    /// Measure the model: held-out samples, questions written by hand, paraphrases.
    Evaluate {
        /// The model's directory.
        #[arg(long, default_value = "models/bundled")]
        dir: PathBuf,
        /// Held-out samples a task.
        #[arg(long, default_value_t = 500)]
        count: usize,
        /// Print this many wrong answers a task.
        #[arg(long, default_value_t = 0)]
        misses: usize,
        /// The seed of the held-out samples.
        #[arg(long, default_value_t = 2)]
        seed: u64,
    },
    /// Train an adapter on names and what they mean, and ask it in trained and in other words.
    Adapter {
        /// A file of `name|meaning` lines.
        pairs: PathBuf,
        /// The model's directory.
        #[arg(long, default_value = "models/bundled")]
        dir: PathBuf,
        /// The adapter's rank.
        #[arg(long, default_value_t = 16)]
        rank: usize,
        /// The highest learning rate.
        #[arg(long, default_value_t = 3e-3)]
        learning_rate: f32,
        /// How often every pair is seen.
        #[arg(long, default_value_t = 16)]
        epochs: usize,
        /// Pairs a step.
        #[arg(long, default_value_t = 32)]
        batch_size: usize,
        /// How many phrasings of each name are trained.
        #[arg(long, default_value_t = 4)]
        phrasings: usize,
        /// Give every name another one's meaning.
        #[arg(long)]
        shuffled: bool,
        /// The seed of the adapter and of the order.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Print samples of every task.
    Samples {
        /// How many a task.
        #[arg(long, default_value_t = 5)]
        count: usize,
        /// Draw from what is held out.
        #[arg(long)]
        held_out: bool,
        /// The seed of the draw.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Tokenizer { dir, seed } => tokenizer::save(&tokenizer::train(*seed)?, dir),
        Command::Train {
            dir,
            state,
            seed,
            steps,
            first_steps,
            learning_rate,
            adamw,
            batch_tokens,
            pairs,
            save_minutes,
            threads,
        } => train::train(&TrainSettings {
            state: state.clone().unwrap_or_else(|| train::default_state(dir)),
            dir: dir.clone(),
            seed: *seed,
            steps: *steps,
            first_steps: *first_steps,
            learning_rate: *learning_rate,
            adamw: *adamw,
            batch_tokens: *batch_tokens,
            pairs: *pairs,
            save_minutes: *save_minutes,
            threads: *threads,
        }),
        Command::Evaluate { dir, count, misses, seed } => report(&mut open(dir)?, *count, *misses, *seed),
        Command::Adapter {
            pairs,
            dir,
            rank,
            learning_rate,
            epochs,
            batch_size,
            phrasings,
            shuffled,
            seed,
        } => {
            let settings = AdapterSettings {
                rank: *rank,
                learning_rate: *learning_rate,
                epochs: *epochs,
                batch_size: *batch_size,
                phrasings: *phrasings,
                shuffled: *shuffled,
                seed: *seed,
            };
            let scores = adapter::learn(&mut open(dir)?, &adapter::read_pairs(pairs)?, &settings)?;
            println!("{:.0} s, {} tokens, loss {:.4}", scores.seconds, scores.tokens, scores.loss);
            println!("trained phrasings: {}", scores.trained);
            println!("held-out phrasings: {}", scores.held_out);
            Ok(())
        }
        Command::Samples { count, held_out, seed } => {
            let split = if *held_out { Split::HeldOut } else { Split::Train };
            let mut rng = Rng::new(*seed, 0);
            for task in Task::ALL {
                println!("== {task}");
                for _ in 0..*count {
                    let sample = task.sample(&mut rng, split);
                    println!("{:?} -> {:?}", sample.prompt, sample.answer);
                }
            }
            println!("== paraphrases");
            for _ in 0..*count {
                println!("{:?}", paraphrases::pair(&mut rng, split));
            }
            Ok(())
        }
    }
}

/// The model behind llama.cpp; its converted form lies in the system's directory for temporary files.
fn open(dir: &Path) -> Result<Answerer> {
    Answerer::try_new(dir, &std::env::temp_dir().join("hyprstream-bundled"))
}

fn report(answerer: &mut Answerer, count: usize, shown: usize, seed: u64) -> Result<()> {
    for task in Task::ALL {
        let (score, misses) = evaluate::score(answerer, task, &evaluate::held_out(task, count, seed))?;
        println!("{task}: held out {score}");
        show(&misses, shown);
        if let Ok(written) = evaluate::written(task) {
            let (score, misses) = evaluate::score(answerer, task, &written)?;
            println!("{task}: written by hand {score}");
            show(&misses, shown);
        }
    }
    println!("paraphrases: {}", evaluate::paraphrases(answerer, 200, seed)?);
    Ok(())
}

fn show(misses: &[Miss], most: usize) {
    for miss in misses.iter().take(most) {
        println!("  {:?}\n    wanted {}\n    got    {}", miss.question, miss.wanted, miss.got);
    }
}
