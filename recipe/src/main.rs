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
    Train(TrainSettings),
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
        #[command(flatten)]
        settings: AdapterSettings,
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
        Command::Train(settings) => train::train(settings),
        Command::Evaluate { dir, count, misses, seed } => report(&mut open(dir)?, *count, *misses, *seed),
        Command::Adapter { pairs, dir, settings } => {
            let scores = adapter::learn(&mut open(dir)?, &adapter::read_pairs(pairs)?, settings)?;
            println!("{:.0} s, {} tokens, loss {:.4}", scores.seconds, scores.tokens, scores.loss);
            println!("trained phrasings: {}", scores.trained);
            println!("held-out phrasings: {}", scores.held_out);
            Ok(())
        }
        Command::Samples { count, held_out, seed } => {
            print_samples(*count, if *held_out { Split::HeldOut } else { Split::Train }, *seed);
            Ok(())
        }
    }
}

fn print_samples(count: usize, split: Split, seed: u64) {
    let mut rng = Rng::new(seed, 0);
    for task in Task::ALL {
        println!("== {task}");
        for _ in 0..count {
            let sample = task.sample(&mut rng, split);
            println!("{:?} -> {:?}", sample.prompt, sample.answer);
        }
    }
    println!("== paraphrases");
    for _ in 0..count {
        println!("{:?}", paraphrases::pair(&mut rng, split));
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
