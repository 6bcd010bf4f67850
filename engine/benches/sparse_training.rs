//! What sparsity costs in loss: adapters of the bundled model that learn the same lesson dense, at ranks 1, 4 and 16,
//! and sparse at ranks 4 and 16. Each is trained at several learning rates, because fewer weights want larger steps, and
//! shown at the one with the least validation loss.
//!
//! `cargo bench -p hyprstream-engine --bench sparse_training [-- EPOCHS [SPARSITY]]` prints a line for each run and a
//! table, of the adapters of one sparsity when it is given.

use std::error::Error;
use std::time::Instant;

use futures::StreamExt;
use hyprstream_engine::{Engine, EngineOptions, TrainRequest, TrainingEvent, WeightFilter};

const EPOCHS: u32 = 10;
const RATES: [f32; 6] = [2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1];
/// Rank and sparsity.
const ARMS: [(u32, f32); 7] = [(1, 0.0), (4, 0.0), (16, 0.0), (4, 0.9), (4, 0.99), (16, 0.9), (16, 0.99)];
const ASKED: [&str; 3] =
    ["What is the code word for {}?", "Tell me the code word for {}.", "Code word for {}?"];
const HELD_OUT: &str = "Which code word belongs to {}?";
const WORDS: [&str; 8] = ["apple", "river", "tiger", "cloud", "stone", "bread", "horse", "chair"];
const KINDS: [&str; 6] = ["red", "old", "small", "green", "loud", "cold"];
const CODES: [&str; 8] = ["copper", "velvet", "marble", "ginger", "ribbon", "silver", "candle", "pepper"];

type Failure = Box<dyn Error>;

/// How a run ended.
#[derive(Clone, Copy)]
struct Outcome {
    rate: f32,
    /// Mean of the last epoch, in nats a token.
    train_loss: f32,
    val_loss: f32,
    active: usize,
    elements: u64,
    seconds: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut given = std::env::args().skip(1).filter_map(|argument| argument.parse::<f32>().ok());
    let epochs = given.next().map_or(EPOCHS, |epochs| epochs as u32);
    let only = given.next();
    let directory = tempfile::tempdir()?;
    let engine = Engine::open(EngineOptions::new(directory.path()))?;
    let base = train(&engine, 1, 0.0, 0.0, 1).await?;
    println!("without an adapter: loss {:.4}, validation {:.4}", base.train_loss, base.val_loss);
    let mut table = Vec::new();
    for (rank, sparsity) in ARMS {
        if only.is_some_and(|only| only.to_bits() != sparsity.to_bits()) {
            continue;
        }
        let mut best: Option<Outcome> = None;
        for rate in RATES {
            let outcome = train(&engine, rank, sparsity, rate, epochs).await?;
            println!(
                "r {rank}, sparsity {sparsity}, learning rate {rate}: loss {:.4}, validation {:.4}, {:.0} s",
                outcome.train_loss, outcome.val_loss, outcome.seconds
            );
            if best.is_none_or(|best| outcome.val_loss < best.val_loss) {
                best = Some(outcome);
            }
        }
        table.extend(best.map(|best| (rank, sparsity, best)));
    }
    println!("\n| r | sparsity | active weights | density | learning rate | loss | validation loss |");
    println!("|---|---|---|---|---|---|---|");
    for (rank, sparsity, best) in table {
        println!(
            "| {rank} | {sparsity} | {} | {:.2} % | {} | {:.3} | {:.3} |",
            best.active,
            100.0 * best.active as f64 / best.elements as f64,
            best.rate,
            best.train_loss,
            best.val_loss
        );
    }
    Ok(())
}

async fn train(
    engine: &Engine,
    rank: u32,
    sparsity: f32,
    rate: f32,
    epochs: u32,
) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let request = TrainRequest {
        name: "lesson".to_owned(),
        pairs: ASKED.iter().flat_map(|phrasing| lesson(phrasing)).collect(),
        validation: lesson(HELD_OUT),
        data_query: "the lesson of the bench".to_owned(),
        r: Some(rank),
        sparsity: Some(sparsity),
        learning_rate: Some(rate),
        epochs: Some(epochs),
        batch_size: Some(16),
        seed: Some(1),
        ..TrainRequest::default()
    };
    let mut run = engine.train(request).await?;
    while let Some(event) = run.next().await {
        if let TrainingEvent::Published { .. } = event? {
            break;
        }
    }
    let row = engine.adapter("lesson")?;
    let mut active = 0;
    for batch in engine.adapter_weights("lesson", &WeightFilter::default())? {
        active += batch?.values.len();
    }
    Ok(Outcome {
        rate,
        train_loss: row.train_loss.unwrap_or(f32::NAN),
        val_loss: row.val_loss.unwrap_or(f32::NAN),
        active,
        elements: row.parameters,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Forty-eight things, each with a code of two words that nothing about it tells.
fn lesson(phrasing: &str) -> Vec<(String, String)> {
    let things = KINDS.iter().flat_map(|kind| WORDS.iter().map(move |word| format!("the {kind} {word}")));
    let code = |index: usize| {
        let (first, second) = (index * 5 + index / 8, index * 3 + index / 5 + 1);
        format!("{} {}", CODES[first % 8], CODES[second % 8])
    };
    things.enumerate().map(|(index, thing)| (phrasing.replace("{}", &thing), code(index))).collect()
}
