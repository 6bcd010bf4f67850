//! The engine as its callers see it, on the bundled model and on models of random weights.

mod adapter_files;
mod adapters;
mod calls;
mod conversations;
mod data_directory;
mod decode_failures;
mod embedding;
mod generating;
mod models;
mod recording;
mod refusals;
mod scoring;
mod space;
mod training;
mod trajectory_embeddings;
mod weight_diffs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hyprstream_models::{Architecture, LoraWeights, ModelConfig};
use hyprstream_models_testing::random::{small_config, write_model_dir};
use tempfile::TempDir;

use crate::adapters::matrices::put_weights;
use crate::adapters::record::{VersionRecord, publish};
use crate::clock::now_micros;
use crate::{Completion, Engine, EngineOptions, GenerateRequest, GeneratedToken};

/// An engine over a directory of its own.
struct Bench {
    engine: Arc<Engine>,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = options(&directory);
        change(&mut options);
        Self { engine: Engine::open(options).unwrap(), directory }
    }

    /// With a model of random weights named `random`, which hardly ever ends its turn.
    fn random() -> Self {
        let bench = Self::new();
        write_random(&bench, "random", 7);
        bench
    }

    /// Closes the engine and opens the directory again.
    fn reopen(self) -> Self {
        let Self { engine, directory } = self;
        engine.close().unwrap();
        drop(engine);
        let engine = Engine::open(options(&directory)).unwrap();
        Self { engine, directory }
    }
}

fn options(directory: &TempDir) -> EngineOptions {
    EngineOptions { threads: Some(2), training_threads: Some(2), ..EngineOptions::new(directory.path()) }
}

fn random_config() -> ModelConfig {
    small_config(Architecture::Qwen3)
}

fn write_random(bench: &Bench, name: &str, seed: u64) {
    write_model_dir(&bench.directory.path().join("models").join(name), &random_config(), seed).unwrap();
}

fn ask(prompt: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { max_tokens, ..GenerateRequest::new(prompt) }
}

/// A request of the model with random weights.
fn ask_random(prompt: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { model: Some("random".to_owned()), ..ask(prompt, max_tokens) }
}

async fn tokens(engine: &Engine, request: GenerateRequest) -> (Vec<GeneratedToken>, Completion) {
    let mut generation = engine.generate(request).await.unwrap();
    let mut tokens = Vec::new();
    while let Some(token) = generation.next().await {
        tokens.push(token.unwrap());
    }
    let completion = generation.completion().cloned().unwrap();
    (tokens, completion)
}

/// Publishes weights as the next version of an adapter.
fn publish_weights(engine: &Engine, name: &str, base_model: &str, weights: &LoraWeights) -> u64 {
    let record = VersionRecord::new(weights, base_model, now_micros());
    engine
        .adapter_store
        .write(|transaction| {
            let version = transaction.next_version_number(name)?;
            put_weights(transaction, name, &version.to_string(), weights)?;
            publish(transaction, name, &version.to_string(), &record)?;
            Ok(version)
        })
        .unwrap()
}

fn statistic(engine: &Engine, name: &str) -> u64 {
    engine.statistics().into_iter().find(|row| row.name == name).unwrap().value
}

/// Waits until a condition holds, at most half a minute.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
