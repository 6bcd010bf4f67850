//! Tokens a second of full-parameter training of a small model.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hyprstream_learning::{BaseWeights, Example, FullOptions, FullTrainer};
use hyprstream_models::{Architecture, ModelConfig};

fn env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    let config = ModelConfig {
        architecture: Architecture::Qwen3,
        vocab_size: 4096,
        hidden_size: env("H", 256),
        intermediate_size: env("I", 640),
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: false,
        max_position_embeddings: 1024,
        bos_token_id: None,
        eos_token_ids: vec![0],
    };
    let base = BaseWeights::random(&config, 1).unwrap();
    println!("parameters {}", base.parameter_count());
    let options = FullOptions { shards: env("SHARDS", 4), threads: env("THREADS", 2), ..FullOptions::default() };
    let mut trainer = FullTrainer::try_new(base, options).unwrap();
    let cancel = AtomicBool::new(false);
    let len = env("T", 64);
    let examples: Vec<Example> = (0..env("B", 64))
        .map(|i| Example {
            tokens: (0..len).map(|p| ((i * 7919 + p * p * 31 + 5) % 4096) as u32).collect(),
            completion_start: env("START", 1),
        })
        .collect();
    let mut best = f64::MAX;
    for _ in 0..env("N", 8) {
        let begin = Instant::now();
        let report = trainer.language_step(&examples, &cancel).unwrap();
        let elapsed = begin.elapsed().as_secs_f64();
        best = best.min(elapsed);
        println!("{} loss {:.4} norm {:.3} {:.0} tokens/s", report.step, report.loss, report.grad_norm, report.tokens as f64 / elapsed);
    }
    println!("best {:.0} tokens/s", (examples.len() * len) as f64 / best);
}
