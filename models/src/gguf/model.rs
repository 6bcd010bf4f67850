//! A GGUF model: its configuration, tokenizer presence and tensors, validated against each other.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    metadata::Metadata,
    names::{gguf_name, is_permuted, permuted_row},
    reader::{self, TensorInfo},
    tokenizer,
};
use crate::{Architecture, Error, ModelConfig, Result, RopeScaling, TensorSource, memory_map::MappedFile};

/// A validated GGUF file, mapped; tensors are read under Hugging Face's names and in its order.
#[derive(Debug)]
pub struct GgufModel {
    path: PathBuf,
    data: MappedFile,
    config: ModelConfig,
    /// By Hugging Face's name.
    tensors: HashMap<String, TensorInfo>,
    chat_template: Option<String>,
    special_tokens: (Option<String>, Option<String>),
}

impl GgufModel {
    /// Maps and validates a file.
    pub fn open(path: &Path) -> Result<Self> {
        let data = MappedFile::open(path)?;
        let reader::Contents { metadata, mut tensors } = reader::read(&data, path)?;
        let config = read_config(&metadata, &tensors, &data)?;
        tokenizer::validate(&metadata, &config)?;
        let mut named = HashMap::new();
        for (name, shape) in config.tensors() {
            let gguf = gguf_name(&name).unwrap_or_default();
            let Some(info) = tensors.remove(&gguf) else {
                return Err(Error::invalid(path, format!("lacks tensor `{gguf}`")));
            };
            if info.shape != shape {
                return Err(Error::invalid(
                    path,
                    format!("tensor `{gguf}` has shape {:?} where its metadata says {shape:?}", info.shape),
                ));
            }
            if shape.len() == 1 && info.kind != super::types::GgmlType::F32 {
                return Err(Error::invalid(
                    path,
                    format!("tensor `{gguf}` is a vector and not stored as F32"),
                ));
            }
            named.insert(name, info);
        }
        tensors.remove("rope_freqs.weight");
        if let Some(name) = tensors.keys().min() {
            return Err(Error::Unsupported(format!(
                "{}: tensor `{name}` in a {} model",
                path.display(),
                config.architecture
            )));
        }
        let chat_template = metadata.string("tokenizer.chat_template").ok().map(str::to_owned);
        let special_tokens = tokenizer::special_tokens(&metadata);
        Ok(Self { path: path.to_path_buf(), data, config, tensors: named, chat_template, special_tokens })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The chat template's source, if the file carries one.
    pub(crate) fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// The texts of the tokens that begin and end a text.
    pub(crate) const fn special_tokens(&self) -> &(Option<String>, Option<String>) {
        &self.special_tokens
    }
}

impl TensorSource for GgufModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let info = self
            .tensors
            .get(name)
            .ok_or_else(|| Error::Argument(format!("the model has no tensor `{name}`")))?;
        let bytes = self
            .data
            .get(info.bytes.clone())
            .ok_or_else(|| Error::Internal(format!("tensor `{name}` left its file")))?;
        let values = info.kind.dequantise(bytes)?;
        if !is_permuted(self.config.architecture, name) {
            return Ok(values);
        }
        let width = info.shape.last().copied().unwrap_or(1);
        let mut ordered = vec![0.0; values.len()];
        for (row, stored) in values.chunks_exact(width).enumerate() {
            let at = permuted_row(row, self.config.head_dim) * width;
            ordered[at..at + width].copy_from_slice(stored);
        }
        Ok(ordered)
    }
}

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

fn read_config(
    metadata: &Metadata<'_>,
    tensors: &HashMap<String, TensorInfo>,
    data: &[u8],
) -> Result<ModelConfig> {
    let file = metadata.file;
    let architecture: Architecture = metadata
        .string("general.architecture")?
        .parse()
        .map_err(|error| Error::Unsupported(format!("{}: {error}", file.display())))?;
    if metadata.string("general.type").is_ok_and(|kind| kind != "model") {
        return Err(Error::invalid(file, "is not a model but another kind of GGUF file"));
    }
    if metadata.optional_size("split.count")?.is_some_and(|count| count > 1) {
        return Err(Error::Unsupported(format!("{}: GGUF split over several files", file.display())));
    }
    let key = |name: &str| format!("{architecture}.{name}");
    check_keys(metadata, architecture)?;
    let vocab_size = tensors
        .get("token_embd.weight")
        .and_then(|info| info.shape.first().copied())
        .ok_or_else(|| Error::invalid(file, "lacks tensor `token_embd.weight`"))?;
    let hidden_size = metadata.size(&key("embedding_length"))?;
    let num_attention_heads = metadata.size(&key("attention.head_count"))?;
    let head_dim = match metadata.optional_size(&key("attention.key_length"))? {
        Some(head_dim) => head_dim,
        None if num_attention_heads > 0 => hidden_size / num_attention_heads,
        None => 0,
    };
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(length) = metadata.optional_size(&key(name))?
            && length != head_dim
        {
            return Err(Error::Unsupported(format!(
                "{}: {name} of {length} with heads of {head_dim}",
                file.display()
            )));
        }
    }
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

fn read_rope_scaling(
    metadata: &Metadata<'_>,
    tensors: &HashMap<String, TensorInfo>,
    data: &[u8],
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
    let bytes = data.get(info.bytes.clone()).unwrap_or_default();
    if info.shape != [config.head_dim / 2] || info.kind != super::types::GgmlType::F32 || linear.is_some() {
        return Err(Error::invalid(file, "tensor `rope_freqs.weight` does not fit the model's heads"));
    }
    // The file holds the divisor of each frequency, not the rule; Llama 3.1 to 3.3 share all but the factor.
    let divisors = info.kind.dequantise(bytes)?;
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
