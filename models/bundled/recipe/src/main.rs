//! Trains, samples and evaluates the bundled model.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hyprstream_bundled_recipe::{Result, Split, Task, rng::Rng, tasks::paraphrases, tokenizer};

#[derive(Parser)]
#[command(about = "The recipe of the bundled model")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the tokenizer from the corpus.
    Tokenizer {
        /// Where to write tokenizer.json and tokenizer_config.json.
        #[arg(long, default_value = "models/bundled")]
        dir: PathBuf,
        /// The seed of the corpus.
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
