//! The configuration of a model, from a GGUF file's metadata and tensors.

use std::collections::HashMap;

use crate::config::{Architecture, ModelConfig, RopeScaling};
use crate::error::{Error, Result};
use crate::gguf::metadata::Metadata;
use crate::gguf::reader::TensorInfo;
use crate::gguf::types::GgmlType;
use crate::weights::CheckedRange;

/// The keys of a family that are understood; llama.cpp takes others for granted in ways that can end the process.
const KEYS: [&str; 22] = [
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "block_count",
    "vocab_size",
    "expert_count",
    "expert_used_count",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "use_parallel_residual",
    "tensor_data_layout",
];

fn check_keys(metadata: &Metadata<'_>, architecture: Architecture) -> Result<()> {
    let prefix = format!("{architecture}.");
    let family = metadata.values.keys().filter_map(|key| key.strip_prefix(&prefix));
    if let Some(key) = family.filter(|key| !KEYS.contains(key)).min() {
        return Err(Error::Unsupported(format!("{}: metadata `{prefix}{key}`", metadata.file.display())));
    }
    for key in ["expert_count", "expert_used_count"] {
        if metadata.optional_size(&format!("{prefix}{key}"))?.is_some_and(|count| count > 0) {
            return Err(Error::Unsupported(format!("{}: mixtures of experts", metadata.file.display())));
        }
    }
    Ok(())
}

/// The configuration that the metadata and the tensors state.
pub(super) fn read_config(
    metadata: &Metadata<'_>,
    tensors: &HashMap<String, TensorInfo>,
    data: &CheckedRange,
) -> Result<ModelConfig> {
    let file = metadata.file;
    let architecture: Architecture = metadata
        .string("general.architecture")?
        .parse()
        .map_err(|error| Error::Unsupported(format!("{}: {error}", file.display())))?;
    check_kind(metadata)?;
    check_keys(metadata, architecture)?;
    let key = |name: &str| format!("{architecture}.{name}");
    let vocab_size = tensors
        .get("token_embd.weight")
        .and_then(|info| info.shape.first().copied())
        .ok_or_else(|| Error::invalid(file, "lacks tensor `token_embd.weight`"))?;
    let hidden_size = metadata.size(&key("embedding_length"))?;
    let num_attention_heads = metadata.size(&key("attention.head_count"))?;
    let head_dim = read_head_dim(metadata, architecture, hidden_size, num_attention_heads)?;
    let token = |name: &str| {
        metadata
            .optional_size(&format!("tokenizer.ggml.{name}"))
            .map(|id| id.and_then(|id| u32::try_from(id).ok()))
    };
    let eos_token_ids = [token("eos_token_id")?, token("eot_token_id")?].into_iter().flatten().collect();
    let mut config = ModelConfig {
        architecture,
        vocab_size,
        hidden_size,
        intermediate_size: metadata.size(&key("feed_forward_length"))?,
        num_hidden_layers: metadata.size(&key("block_count"))?,
        num_attention_heads,
        num_key_value_heads: metadata
            .optional_size(&key("attention.head_count_kv"))?
            .unwrap_or(num_attention_heads),
        head_dim,
        rms_norm_eps: metadata
            .optional_float(&key("attention.layer_norm_rms_epsilon"))?
            .ok_or_else(|| Error::invalid(file, "lacks attention.layer_norm_rms_epsilon"))?,
        rope_theta: metadata.optional_float(&key("rope.freq_base"))?.unwrap_or(10_000.0),
        rope_scaling: None,
        tie_word_embeddings: !tensors.contains_key("output.weight"),
        attention_bias: architecture == Architecture::Qwen2,
        max_position_embeddings: metadata.size(&key("context_length"))?,
        bos_token_id: token("bos_token_id")?,
        eos_token_ids,
    };
    config.validate(file)?;
    config.rope_scaling = read_rope_scaling(metadata, tensors, data, &config)?;
    config.validate(file)?;
    Ok(config)
}

/// A whole model in one file.
fn check_kind(metadata: &Metadata<'_>) -> Result<()> {
    let file = metadata.file;
    if metadata.string("general.type").is_ok_and(|kind| kind != "model") {
        return Err(Error::invalid(file, "is not a model but another kind of GGUF file"));
    }
    if metadata.optional_size("split.count")?.is_some_and(|count| count > 1) {
        return Err(Error::Unsupported(format!("{}: GGUF split over several files", file.display())));
    }
    Ok(())
}

/// The width of a head, which keys, values and rotation share.
fn read_head_dim(
    metadata: &Metadata<'_>,
    architecture: Architecture,
    hidden_size: usize,
    heads: usize,
) -> Result<usize> {
    let key = |name: &str| format!("{architecture}.{name}");
    let head_dim = match metadata.optional_size(&key("attention.key_length"))? {
        Some(head_dim) => head_dim,
        None if heads > 0 => hidden_size / heads,
        None => 0,
    };
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(length) = metadata.optional_size(&key(name))?
            && length != head_dim
        {
            return Err(Error::Unsupported(format!(
                "{}: {name} of {length} with heads of {head_dim}",
                metadata.file.display()
            )));
        }
    }
    Ok(head_dim)
}

fn read_rope_scaling(
    metadata: &Metadata<'_>,
    tensors: &HashMap<String, TensorInfo>,
    data: &CheckedRange,
    config: &ModelConfig,
) -> Result<Option<RopeScaling>> {
    let file = metadata.file;
    let key = |name: &str| format!("{}.rope.{name}", config.architecture);
    let unsupported = |what: &str| Error::Unsupported(format!("{}: {what}", file.display()));
    let kind =
        metadata.get(&key("scaling.type")).map(|_| metadata.string(&key("scaling.type"))).transpose()?;
    let linear = match kind {
        None | Some("none") => metadata.optional_float(&key("scale_linear"))?,
        Some("linear") => metadata.optional_float(&key("scaling.factor"))?,
        Some(other) => return Err(unsupported(&format!("rope scaling of type `{other}`"))),
    };
    let Some(info) = tensors.get("rope_freqs.weight") else {
        return Ok(linear
            .filter(|factor| (*factor - 1.0).abs() > f64::EPSILON)
            .map(|factor| RopeScaling::Linear { factor }));
    };
    if info.shape != [config.head_dim / 2] || info.kind != GgmlType::F32 || linear.is_some() {
        return Err(Error::invalid(file, "tensor `rope_freqs.weight` does not fit the model's heads"));
    }
    // The file holds the divisor of each frequency, not the rule; Llama 3.1 to 3.3 share all but the factor.
    let divisors = info.kind.dequantise(data.read(info.bytes.clone())?)?;
    let factor = divisors.iter().copied().fold(1.0f32, f32::max);
    let scaling = RopeScaling::Llama3 {
        factor: f64::from(factor),
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    let half = divisors.len() as f64;
    let fits = divisors.iter().enumerate().all(|(i, divisor)| {
        let frequency = config.rope_theta.powf(-(i as f64) / half);
        (frequency / scaling.apply(frequency) / f64::from(*divisor) - 1.0).abs() < 1e-3
    });
    if fits { Ok(Some(scaling)) } else { Err(unsupported("rope frequencies of an unknown rule")) }
}
