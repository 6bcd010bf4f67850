//! Tokens a second of the runtime, by the settings of its context: what the engine's defaults rest on.
//!
//! `cargo bench -p hyprstream-models --bench decode [-- 0.6b] [threads=N]`, on an idle machine.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hyprstream_models::{
    Architecture, Batch, CacheType, ContextOptions, LlamaContext, LlamaModel, LoadOptions, ModelConfig,
    ModelFiles, Sampler, SamplingOptions, WeightType,
};
use hyprstream_models_testing::random;

const PROMPT: u32 = 48;
const STEPS: u32 = 32;

fn main() {
    let large = std::env::args().any(|argument| argument == "0.6b");
    let (config, weights) =
        if large { (qwen3_600m(), WeightType::Q8_0) } else { (bundled(), WeightType::F32) };
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let path = prepare(directory.path(), &config, weights);
    let threads = std::env::args().find_map(|argument| argument.strip_prefix("threads=")?.parse().ok());
    let threads =
        threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32));
    println!(
        "| repack | unified | flash | cache | threads | sequences | prompt tok/s | decode tok/s | sampling µs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for repack in [false, true] {
        let options = LoadOptions { repack };
        let model = LlamaModel::load(&path, &options).expect("the model loads");
        for (unified_kv, flash_attention, kv_type) in [
            (false, false, CacheType::F32),
            (false, true, CacheType::F16),
            (true, false, CacheType::F32),
            (true, true, CacheType::F16),
        ] {
            for sequences in [1, 8, 32] {
                let options = ContextOptions {
                    context_length: 256 * sequences,
                    max_sequences: sequences,
                    unified_kv,
                    flash_attention,
                    kv_type,
                    threads,
                    ..Default::default()
                };
                let (prompt, decode, sampling) = measure(&model, &options);
                println!(
                    "| {repack} | {unified_kv} | {flash_attention} | {kv_type:?} | {threads} | {sequences} | {prompt:.0} | {decode:.0} | {sampling:.1} |"
                );
            }
        }
    }
}

fn prepare(directory: &Path, config: &ModelConfig, weights: WeightType) -> std::path::PathBuf {
    random::write_model_dir(&directory.join("model"), config, 1).expect("the model is written");
    let files = ModelFiles::open(&directory.join("model")).expect("the model is valid");
    files.gguf(directory, weights).expect("the model converts")
}

/// Best of three: prompt and decode tokens a second, and microseconds to sample one token.
fn measure(model: &Arc<LlamaModel>, options: &ContextOptions) -> (f64, f64, f64) {
    let mut context = LlamaContext::try_new(model, options).expect("the context fits");
    let sequences = options.max_sequences;
    let vocabulary = model.config().vocab_size as u32;
    let token = |i: u32| (i * 7919 + 13) % (vocabulary - 10);
    let mut sampler = Sampler::try_new(&SamplingOptions::default()).expect("greedy is valid");
    let mut batch = Batch::new(options.batch as usize);
    let mut best = (0.0f64, 0.0f64, f64::INFINITY);
    for _ in 0..3 {
        context.clear();
        let start = Instant::now();
        for sequence in 0..sequences {
            if batch.len() + PROMPT as usize > batch.capacity() {
                context.decode(&batch).expect("a prompt decodes");
                batch.clear();
            }
            for position in 0..PROMPT {
                batch
                    .add(token(sequence * 31 + position), position, sequence, position + 1 == PROMPT)
                    .expect("room");
            }
        }
        context.decode(&batch).expect("a prompt decodes");
        batch.clear();
        best.0 = best.0.max(f64::from(PROMPT * sequences) / start.elapsed().as_secs_f64());
        let (start, mut sampling) = (Instant::now(), 0.0);
        for step in 0..STEPS {
            batch.clear();
            for sequence in 0..sequences {
                batch.add(token(sequence + step), PROMPT + step, sequence, true).expect("room");
            }
            context.decode(&batch).expect("a step decodes");
            let sampled = Instant::now();
            for row in 0..sequences as usize {
                black_box(sampler.sample(context.logits(row).expect("logits")).expect("a token"));
            }
            sampling += sampled.elapsed().as_secs_f64();
        }
        batch.clear();
        let tokens = f64::from(STEPS * sequences);
        best.1 = best.1.max(tokens / (start.elapsed().as_secs_f64() - sampling));
        best.2 = best.2.min(sampling / tokens * 1e6);
    }
    best
}

fn bundled() -> ModelConfig {
    ModelConfig {
        vocab_size: 3072,
        hidden_size: 256,
        intermediate_size: 512,
        num_hidden_layers: 5,
        head_dim: 64,
        eos_token_ids: vec![3071],
        ..random::small_config(Architecture::Qwen3)
    }
}

fn qwen3_600m() -> ModelConfig {
    ModelConfig {
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        rope_theta: 1e6,
        max_position_embeddings: 40_960,
        eos_token_ids: vec![151_935],
        ..random::small_config(Architecture::Qwen3)
    }
}
