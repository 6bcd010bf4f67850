//! How much of the machine a model gets: in which types it is kept, how long its context is, how it is decoded.
//!
//! What the engine's options leave open is chosen here from the machine and the model.

use hyprstream_models::{CacheType, LlamaModel, ModelConfig, ModelFiles, WeightType};

use crate::options::{EngineOptions, WeightPreference};
use crate::scheduler::{BatchSpace, CacheLimits, DecodeOptions, Limits};

/// Up to here `auto` keeps weights in f32, where answers are exact.
const EXACT_BYTES: u64 = 64 << 20;
const DEFAULT_CONTEXT: u32 = 4096;
const DEFAULT_CACHE_BYTES: u64 = 2 << 30;
/// Logits of one decode take at most this much memory.
const LOGIT_BYTES: usize = 64 << 20;
/// Moving a token of the cache reads it twice and writes it twice.
const MOVE_ACCESSES: u64 = 4;
/// A sequence is moved through at most this much memory.
const MOVE_BYTES: u64 = 64 << 20;

/// Tokens of prompt and answer that a request may have.
pub(crate) fn context_length(options: &EngineOptions, config: &ModelConfig) -> u32 {
    let trained = config.max_position_embeddings as u32;
    let asked = options.context_length.unwrap_or(DEFAULT_CONTEXT);
    let affordable = cache_bytes(options) / token_bytes(config, cache_type(options, config)).max(1);
    asked.min(trained).min(affordable as u32).max(1)
}

pub(crate) fn weight_type(options: &EngineOptions, files: &ModelFiles) -> WeightType {
    // A GGUF file is answered as it is; only a Hugging Face directory is converted.
    if files.is_gguf() {
        return WeightType::Stored;
    }
    match options.weights {
        WeightPreference::Auto if is_exact(files.config()) => WeightType::F32,
        WeightPreference::Auto | WeightPreference::Stored => WeightType::Stored,
        WeightPreference::F32 => WeightType::F32,
        WeightPreference::F16 => WeightType::F16,
        WeightPreference::Bf16 => WeightType::Bf16,
        WeightPreference::Q8_0 => WeightType::Q8_0,
    }
}

/// How a loaded model decodes.
pub(crate) fn decode_options(
    options: &EngineOptions,
    name: &str,
    config: &ModelConfig,
    model: &LlamaModel,
) -> DecodeOptions {
    let parameters = config.parameters().max(1);
    let cache_type = cache_type(options, config);
    let token_bytes = token_bytes(config, cache_type).max(1);
    let max_sequences = options.max_sequences.unwrap_or(if is_exact(config) { 64 } else { 32 }).clamp(1, 256);
    // A decode of a whole chunk should stay below about half a second on two cores.
    let chunk = ((1 << 36) / parameters).clamp(64, 512) as u32 / 64 * 64;
    DecodeOptions {
        name: name.to_owned(),
        limits: Limits {
            cache: CacheLimits {
                max_sequences,
                total_tokens: cache_bytes(options) / token_bytes,
                sequence_tokens: context_length(options, config),
            },
            batch: BatchSpace {
                tokens: chunk.max(max_sequences) as usize,
                logits: (LOGIT_BYTES / (4 * model.config().vocab_size.max(1))).max(1),
            },
            // A gap costs one more reading of the weights in each decode, and a move should cost less than one reading.
            movable_tokens: ((model.size() / MOVE_ACCESSES).min(MOVE_BYTES) / token_bytes) as usize,
        },
        threads: options.threads.unwrap_or_else(cores).max(1) as u32,
        cache_type,
        flash_attention: cache_type == CacheType::F16,
    }
}

/// Processor cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keys and values are as exact as the weights.
fn cache_type(options: &EngineOptions, config: &ModelConfig) -> CacheType {
    match options.weights {
        WeightPreference::F32 => CacheType::F32,
        WeightPreference::Auto | WeightPreference::Stored if is_exact(config) => CacheType::F32,
        _ => CacheType::F16,
    }
}

fn cache_bytes(options: &EngineOptions) -> u64 {
    options.kv_memory.unwrap_or_else(|| DEFAULT_CACHE_BYTES.min(machine_memory() / 4))
}

/// Whether the weights are small enough to be kept in f32.
fn is_exact(config: &ModelConfig) -> bool {
    config.parameters() * 4 <= EXACT_BYTES
}

/// Bytes of keys and values of one token in all layers.
fn token_bytes(config: &ModelConfig, cache_type: CacheType) -> u64 {
    let element = if cache_type == CacheType::F32 { 4 } else { 2 };
    (config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2 * element) as u64
}

/// Bytes of memory the machine has; a modest guess where it does not say.
fn machine_memory() -> u64 {
    let kibibytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        })
    });
    kibibytes.map_or(4 << 30, |kibibytes| kibibytes * 1024)
}
