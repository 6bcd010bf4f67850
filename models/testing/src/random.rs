//! Models with random weights: of the right shape and format, for tests and benchmarks.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::bf16;
use hyprstream_models::{
    Architecture, ContentHash, Error, LoraMatrix, LoraWeights, ModelConfig, Module, Result,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// The tokens that every random vocabulary ends with; the last one ends a turn.
pub const SPECIAL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// How messages are written for these models.
const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// The smallest vocabulary: every byte and the special tokens.
pub const MIN_VOCABULARY: usize = 256 + SPECIAL_TOKENS.len();

/// A small configuration of a family, with grouped queries; the tests change single fields of it.
pub fn small_config(architecture: Architecture) -> ModelConfig {
    let vocab_size = 512;
    ModelConfig {
        architecture,
        vocab_size,
        hidden_size: 64,
        intermediate_size: 160,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: if architecture == Architecture::Qwen2 { 16 } else { 32 },
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: architecture == Architecture::Qwen2,
        max_position_embeddings: 1024,
        bos_token_id: None,
        eos_token_ids: vec![vocab_size as u32 - 1],
    }
}

/// Writes a Hugging Face directory of a configuration: bf16 weights, a byte-level BPE tokenizer with random merges
/// and a chat template. The same seed writes the same bytes.
pub fn write_model_dir(directory: &Path, config: &ModelConfig, seed: u64) -> Result<()> {
    config.validate(&directory.join("config.json"))?;
    if config.vocab_size < MIN_VOCABULARY {
        return Err(Error::Argument(format!(
            "vocab_size is {}; a byte-level vocabulary needs {MIN_VOCABULARY}",
            config.vocab_size
        )));
    }
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(failed("write", &path))
    };
    write("config.json", config.to_json())?;
    write("tokenizer.json", tokenizer_json(config.vocab_size, seed).to_string())?;
    let settings = json!({
        "eos_token": SPECIAL_TOKENS[2],
        "pad_token": SPECIAL_TOKENS[0],
        "add_bos_token": false,
        "chat_template": CHAT_TEMPLATE,
    });
    write("tokenizer_config.json", settings.to_string())?;
    let path = directory.join("model.safetensors");
    write_weights(&path, config, seed).map_err(failed("write", &path))
}

/// Random adapter weights of these projections in every layer; with `zero_b` they change nothing.
pub fn lora_weights(
    config: &ModelConfig,
    base: ContentHash,
    modules: &[Module],
    rank: usize,
    zero_b: bool,
    seed: u64,
) -> LoraWeights {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut layers = Vec::new();
    for layer in 0..config.num_hidden_layers {
        for module in modules {
            let (outputs, inputs) = module.shape(config);
            let scale = 1.0 / (inputs as f32).sqrt();
            let a = (0..rank * inputs).map(|_| gaussian(&mut random) * scale).collect();
            let b =
                (0..outputs * rank).map(|_| if zero_b { 0.0 } else { gaussian(&mut random) * 0.3 }).collect();
            layers.push(LoraMatrix { layer, module: *module, a, b });
        }
    }
    LoraWeights { base, rank, alpha: 2.0 * rank as f32, layers }
}

fn write_weights(path: &Path, config: &ModelConfig, seed: u64) -> io::Result<()> {
    let tensors = config.tensors();
    let mut header = Map::new();
    let mut offset = 0;
    for (name, shape) in &tensors {
        let end = offset + shape.iter().product::<usize>() * 2;
        header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}));
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for (name, shape) in &tensors {
        let (values, width) = (shape.iter().product::<usize>(), shape.last().copied().unwrap_or(1));
        for _ in 0..values {
            let value = if name.contains("norm") {
                0.5 + random.random::<f32>()
            } else if name.contains("bias") {
                gaussian(&mut random) * 0.1
            } else if name.contains("embed") {
                gaussian(&mut random) * 3.0 / (width as f32).sqrt()
            } else {
                gaussian(&mut random) / (width as f32).sqrt()
            };
            out.write_all(&bf16::from_f32(value).to_le_bytes())?;
        }
    }
    out.flush()
}

/// Nearly Gaussian, of variance 1: the sum of four uniform numbers, which is fast for large models.
fn gaussian(random: &mut ChaCha8Rng) -> f32 {
    let bits: u64 = random.random();
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    (sum as f32 / 65_536.0 - 2.0) * 1.732
}

/// A byte-level BPE vocabulary of `size` tokens as Qwen's is built, with random merges.
fn tokenizer_json(size: usize, seed: u64) -> Value {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x746f_6b65_6e73);
    let mut tokens: Vec<String> = byte_spellings().into_iter().map(String::from).collect();
    let mut known: HashSet<String> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    let letters: Vec<String> = ('a'..='z').chain(['\u{120}']).map(String::from).collect();
    while tokens.len() + SPECIAL_TOKENS.len() < size {
        // Letters are likelier than other bytes, so that ordinary text has merges.
        let mut part = || {
            let pool = if random.random_bool(0.5) { &letters } else { &tokens };
            pool[random.random_range(0..pool.len().min(4000))].clone()
        };
        let (left, right) = (part(), part());
        let merged = format!("{left}{right}");
        if merged.chars().count() <= 16 && known.insert(merged.clone()) {
            tokens.push(merged);
            merges.push(json!([left, right]));
        }
    }
    let vocabulary: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let added: Vec<Value> = SPECIAL_TOKENS
        .iter()
        .enumerate()
        .map(|(i, token)| {
            json!({"id": tokens.len() + i, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            byte_level,
        ]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges},
    })
}

/// GPT-2's spelling of every byte: printable ones stand for themselves, the others follow from U+0100.
fn byte_spellings() -> Vec<char> {
    let is_printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut others = '\u{100}'..;
    let spelling = |byte: u8| if is_printable(byte) { Some(char::from(byte)) } else { others.next() };
    (0..=255).filter_map(spelling).collect()
}

fn failed<'a>(action: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action: action.to_owned(), path: path.to_path_buf(), source }
}
