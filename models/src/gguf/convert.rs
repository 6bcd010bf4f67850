//! Converting a Hugging Face model to GGUF, a tensor at a time.

use std::io::{self, Write};
use std::path::Path;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::config::{ModelConfig, RopeScaling};
use crate::error::{Error, Result};
use crate::gguf::metadata::Value;
use crate::gguf::names::{gguf_name, is_permuted, permuted_row};
use crate::gguf::tokenizer_json::from_tokenizer_json;
use crate::gguf::types::GgmlType;
use crate::gguf::writer::{Tensor, pad, write_tables};
use crate::weights::TensorSource;
use crate::weights::{SafetensorsModel, StoredTensor, StoredType};

/// Rows are converted in groups of about this many values.
const CHUNK: usize = 1 << 18;

/// How weights are stored in a converted file; vectors are always F32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightType {
    /// As in the source: nothing is lost.
    #[default]
    Stored,
    /// 32-bit floats: nothing is lost, and every sum is exact to single precision.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with single precision's range.
    Bf16,
    /// Eight bits and a scale for every 32 values.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl WeightType {
    /// The name in files and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// How GGUF stores a tensor of this shape.
    fn ggml_type(self, stored: StoredType, shape: &[usize]) -> GgmlType {
        if shape.len() == 1 {
            return GgmlType::F32;
        }
        match self {
            Self::Stored => match stored {
                StoredType::F32 => GgmlType::F32,
                StoredType::F16 => GgmlType::F16,
                StoredType::Bf16 => GgmlType::Bf16,
            },
            Self::F32 => GgmlType::F32,
            Self::F16 => GgmlType::F16,
            Self::Bf16 => GgmlType::Bf16,
            // llama.cpp does the same with rows that do not divide into blocks.
            Self::Q8_0 if !shape.last().is_some_and(|width| width.is_multiple_of(32)) => GgmlType::F16,
            Self::Q8_0 => GgmlType::Q8_0,
        }
    }
}

/// What a converted file says beside the tensors.
pub(crate) struct Description<'a> {
    pub(crate) name: &'a str,
    pub(crate) tokenizer_json: &'a [u8],
    /// Where `tokenizer_json` was read, for errors.
    pub(crate) tokenizer_file: &'a Path,
    pub(crate) chat_template: Option<&'a str>,
    pub(crate) add_bos_token: bool,
}

/// Writes the GGUF file of a model.
pub(crate) fn convert(
    model: &SafetensorsModel,
    description: &Description<'_>,
    weights: WeightType,
    out: &mut impl Write,
    path: &Path,
) -> Result<()> {
    let config = model.config();
    let metadata = metadata(config, description)?;
    let mut sources = Vec::new();
    let mut tensors = Vec::new();
    for (name, shape) in config.tensors() {
        let missing = || Error::Internal(format!("tensor `{name}` has no place in GGUF"));
        let stored = model.stored(&name).ok_or_else(missing)?;
        let kind = weights.ggml_type(stored.kind, &shape);
        tensors.push(Tensor { name: gguf_name(&name).ok_or_else(missing)?, shape, kind });
        sources.push((stored, is_permuted(config.architecture, &name).then_some(config.head_dim)));
    }
    let divisors = rope_divisors(config);
    if let Some(divisors) = &divisors {
        tensors.push(Tensor {
            name: "rope_freqs.weight".to_owned(),
            shape: vec![divisors.len()],
            kind: GgmlType::F32,
        });
    }
    let failed = |error: io::Error| Error::io("write", path)(error);
    write_tables(out, &metadata, &tensors).map_err(failed)?;
    for ((stored, permuted), tensor) in sources.iter().zip(&tensors) {
        let written = write_tensor(stored, tensor, *permuted, |bytes| out.write_all(bytes).map_err(failed))?;
        pad(out, written).map_err(failed)?;
    }
    if let Some(divisors) = &divisors {
        let bytes: Vec<u8> = divisors.iter().flat_map(|value| value.to_le_bytes()).collect();
        out.write_all(&bytes).and_then(|()| pad(out, bytes.len())).map_err(failed)?;
    }
    Ok(())
}

/// Writes a tensor a group of rows at a time and returns how many bytes it has; the rows of each head of `permuted` are
/// brought into GGUF's order.
fn write_tensor(
    stored: &StoredTensor,
    tensor: &Tensor,
    permuted: Option<usize>,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<usize> {
    let width = tensor.shape.last().copied().unwrap_or(1);
    let row_bytes = width * stored.kind.size();
    let rows = stored.bytes.length() as usize / row_bytes;
    // A head's rows stay within the head, so whole heads are read at once.
    let group = (CHUNK / width).max(1).next_multiple_of(permuted.unwrap_or(1));
    let mut values = vec![0.0; group * width];
    let mut encoded = Vec::new();
    let mut written = 0;
    for first in (0..rows).step_by(group) {
        let count = group.min(rows - first);
        let bytes = stored.bytes.read((first * row_bytes) as u64..((first + count) * row_bytes) as u64)?;
        for (i, values) in values.chunks_exact_mut(width).take(count).enumerate() {
            let row = permuted.map_or(i, |head_dim| permuted_row(i, head_dim));
            stored.kind.decode(&bytes[row * row_bytes..(row + 1) * row_bytes], values);
        }
        encoded.clear();
        encode(tensor.kind, &values[..count * width], &mut encoded);
        write(&encoded)?;
        written += encoded.len();
    }
    Ok(written)
}

fn encode(kind: GgmlType, values: &[f32], out: &mut Vec<u8>) {
    match kind {
        GgmlType::F16 => out.extend(values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes())),
        GgmlType::Bf16 => out.extend(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes())),
        GgmlType::Q8_0 => values.as_chunks().0.iter().for_each(|block| encode_q8_0(block, out)),
        _ => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
    }
}

/// A block of `Q8_0`: the scale, then the values over it, rounded; ggml's reference does the same.
fn encode_q8_0(block: &[f32; 32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    out.extend(block.iter().map(|value| (value * inverse).round() as i8 as u8));
}

fn metadata(config: &ModelConfig, description: &Description<'_>) -> Result<Vec<(String, Value)>> {
    let key = |name: &str| format!("{}.{name}", config.architecture);
    let size = |value: usize| Value::Unsigned(value as u64);
    let mut metadata = vec![
        ("general.architecture".to_owned(), Value::String(config.architecture.name().to_owned())),
        ("general.type".to_owned(), Value::String("model".to_owned())),
        ("general.name".to_owned(), Value::String(description.name.to_owned())),
        (key("context_length"), size(config.max_position_embeddings)),
        (key("embedding_length"), size(config.hidden_size)),
        (key("feed_forward_length"), size(config.intermediate_size)),
        (key("block_count"), size(config.num_hidden_layers)),
        (key("attention.head_count"), size(config.num_attention_heads)),
        (key("attention.head_count_kv"), size(config.num_key_value_heads)),
        (key("attention.key_length"), size(config.head_dim)),
        (key("attention.value_length"), size(config.head_dim)),
        (key("rope.dimension_count"), size(config.head_dim)),
        (key("attention.layer_norm_rms_epsilon"), Value::Float(config.rms_norm_eps)),
        (key("rope.freq_base"), Value::Float(config.rope_theta)),
        (key("vocab_size"), size(config.vocab_size)),
    ];
    if let Some(RopeScaling::Linear { factor }) = config.rope_scaling {
        metadata.push((key("rope.scaling.type"), Value::String("linear".to_owned())));
        metadata.push((key("rope.scaling.factor"), Value::Float(factor)));
    }
    metadata.extend(from_tokenizer_json(description.tokenizer_json, description.tokenizer_file, config)?);
    metadata.push(("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(description.add_bos_token)));
    if let Some(template) = description.chat_template {
        metadata.push(("tokenizer.chat_template".to_owned(), Value::String(template.to_owned())));
    }
    Ok(metadata)
}

/// Llama 3's scaling, as GGUF has it: what each frequency is divided by.
fn rope_divisors(config: &ModelConfig) -> Option<Vec<f32>> {
    let scaling @ RopeScaling::Llama3 { .. } = config.rope_scaling? else {
        return None;
    };
    let half = config.head_dim / 2;
    let divisor = |i: usize| {
        let frequency = config.rope_theta.powf(-(i as f64) / half as f64);
        (frequency / scaling.apply(frequency)) as f32
    };
    Some((0..half).map(divisor).collect())
}
