//! Steps of `LoRA` training at hidden 512 × 8 layers, rank 8 on seven projections, 4 × 128 tokens.
//!
//! `training [f32|bf16] [steps]` prints one line of JSON: tokens a second of the median step, and the peak of
//! resident memory above the loaded weights. `benches/peers/training` sets it beside PEFT.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hyprstream_bundled_recipe::full_training::BF16;
use hyprstream_learning::{BaseWeights, Example, LoraConfig, LoraTrainer, Precision, TrainOptions};
use hyprstream_models::{Architecture, ModelConfig};

const SEQUENCES: usize = 4;
const LENGTH: usize = 128;
const VOCABULARY: usize = 8192;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let precision = match arguments.first().map(String::as_str) {
        Some("bf16") => BF16,
        _ => Precision::F32,
    };
    let steps = arguments.get(1).and_then(|steps| steps.parse().ok()).unwrap_or(10);
    let threads = std::env::var("THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let base = Arc::new(BaseWeights::random(&config(), 1).expect("the shape is a model"));
    let loaded = memory("VmRSS");
    let options =
        TrainOptions { epochs: steps, batch_size: SEQUENCES, threads, precision, ..TrainOptions::default() };
    let mut trainer = LoraTrainer::try_new(base, LoraConfig::default(), options, examples())
        .expect("the options are valid");
    let cancel = AtomicBool::new(false);
    let mut seconds = Vec::new();
    while !trainer.is_finished() {
        let begin = Instant::now();
        trainer.step(&cancel).expect("a step");
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let rate = (SEQUENCES * LENGTH) as f64 / seconds[seconds.len() / 2];
    let extra = memory("VmHWM").saturating_sub(loaded) / 1024;
    println!(
        "{{\"side\": \"hyprstream {precision:?}\", \"tokens_per_s\": {rate:.1}, \"extra_mb\": {extra}}}"
    );
}

fn examples() -> Vec<Example> {
    let token = |sequence: usize, position: usize| {
        ((sequence * 7919 + position * position * 31 + 5) % VOCABULARY) as u32
    };
    let tokens = |sequence: usize| (0..LENGTH).map(|position| token(sequence, position)).collect();
    (0..SEQUENCES).map(|sequence| Example { tokens: tokens(sequence), completion_start: 1 }).collect()
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn config() -> ModelConfig {
    ModelConfig {
        architecture: Architecture::Qwen3,
        vocab_size: VOCABULARY,
        hidden_size: 512,
        intermediate_size: 1536,
        num_hidden_layers: 8,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 64,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: false,
        max_position_embeddings: 1024,
        bos_token_id: None,
        eos_token_ids: vec![0],
    }
}
