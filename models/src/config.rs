//! A model's shape and constants, as Hugging Face's `config.json` states them.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// The families of models that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Llama 2 and 3 and what shares their shape (Mistral's early models do not: sliding windows).
    Llama,
    /// Qwen 2 and 2.5: Llama's shape with biases on the query, key and value projections.
    Qwen2,
    /// Qwen 3: Llama's shape with a norm on every query and key head.
    Qwen3,
}

impl Architecture {
    /// The name in `model_type` and in GGUF's `general.architecture`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// The class in the `architectures` field.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            _ => Err(Error::Unsupported(format!(
                "models of the `{name}` family; llama, qwen2 and qwen3 are"
            ))),
        }
    }
}

/// How rotary frequencies are stretched beyond the trained context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Every position is divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's rule: low frequencies are divided by `factor`, high ones kept, those between blended.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths longer than the original context over this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths shorter than the original context over this are high frequencies.
        high_freq_factor: f64,
        /// The context that the model was first trained for.
        original_max_position_embeddings: usize,
    },
}

/// A model's shape and constants, under the names of Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the embedding and of the output head.
    pub vocab_size: usize,
    /// The width of the residual stream.
    pub hidden_size: usize,
    /// The width inside the feed-forward blocks.
    pub intermediate_size: usize,
    /// The number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads a block.
    pub num_attention_heads: usize,
    /// Key and value heads a block; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// The width of a head; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// The epsilon of every RMS norm.
    pub rms_norm_eps: f64,
    /// The base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are scaled, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Whether the query, key and value projections carry biases (always for qwen2, never else).
    pub attention_bias: bool,
    /// The longest context the model was trained for.
    pub max_position_embeddings: usize,
    /// The token a text begins with, if the model uses one.
    pub bos_token_id: Option<u32>,
    /// The tokens that end a generation.
    pub eos_token_ids: Vec<u32>,
}

impl ModelConfig {
    /// Reads and validates a `config.json`; `file` is named in errors.
    pub fn from_json(bytes: &[u8], file: &Path) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid(file, format!("is not valid JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(Error::invalid(file, "is not a JSON object"));
        };
        let config = Reader {
            fields: &fields,
            file,
        }
        .config()?;
        config.validate(file)?;
        Ok(config)
    }

    /// Writes a `config.json` that [`ModelConfig::from_json`] and `transformers` read back.
    pub fn to_json(&self) -> String {
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            many => json!(many),
        };
        let rope_scaling = match self.rope_scaling {
            None => Value::Null,
            Some(RopeScaling::Linear { factor }) => json!({"rope_type": "linear", "factor": factor}),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
        };
        let value = json!({
            "architectures": [self.architecture.class()],
            "model_type": self.architecture.name(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": rope_scaling,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_bias": self.attention_bias,
            "max_position_embeddings": self.max_position_embeddings,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": eos,
            "torch_dtype": "bfloat16",
        });
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Checks that the numbers are possible together; `file` is named in errors.
    pub fn validate(&self, file: &Path) -> Result<()> {
        let refuse = |reason: String| Err(Error::invalid(file, reason));
        // The limits bound every later product of dimensions far below an overflow.
        let limits = [
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 17),
            ("intermediate_size", self.intermediate_size, 1 << 19),
            ("num_hidden_layers", self.num_hidden_layers, 512),
            ("num_attention_heads", self.num_attention_heads, 1024),
            ("num_key_value_heads", self.num_key_value_heads, 1024),
            ("head_dim", self.head_dim, 1024),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 28),
        ];
        for (name, value, limit) in limits {
            if value == 0 || value > limit {
                return refuse(format!("{name} is {value}; it must be between 1 and {limit}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return refuse(format!(
                "num_attention_heads ({}) is not a multiple of num_key_value_heads ({})",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return refuse(format!(
                "head_dim is {}; rotary positions need an even one",
                self.head_dim
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return refuse(format!(
                "rms_norm_eps is {}; it must lie between 0 and 1",
                self.rms_norm_eps
            ));
        }
        if !(self.rope_theta > 0.0 && self.rope_theta.is_finite()) {
            return refuse(format!("rope_theta is {}; it must be positive", self.rope_theta));
        }
        if self.attention_bias != (self.architecture == Architecture::Qwen2) {
            return Err(Error::Unsupported(format!(
                "{}: attention_bias {} in a {} model",
                file.display(),
                self.attention_bias,
                self.architecture
            )));
        }
        if self.architecture == Architecture::Qwen2 && self.query_size() != self.hidden_size {
            return Err(Error::Unsupported(format!(
                "{}: a qwen2 model whose heads are {} wide together and its hidden state {}",
                file.display(),
                self.query_size(),
                self.hidden_size
            )));
        }
        if let Some(scaling) = self.rope_scaling {
            scaling.validate(file)?;
        }
        for id in self.bos_token_id.iter().chain(&self.eos_token_ids) {
            if *id as usize >= self.vocab_size {
                return refuse(format!(
                    "token id {id} is outside the vocabulary of {}",
                    self.vocab_size
                ));
            }
        }
        Ok(())
    }

    /// The width of the query projection's output.
    pub const fn query_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// The width of the key and of the value projection's output.
    pub const fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Every tensor that a model of this configuration has, with its shape, under Hugging Face's names.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, inter) = (self.hidden_size, self.intermediate_size);
        let (q, kv) = (self.query_size(), self.key_value_size());
        let mut tensors = vec![(
            "model.embed_tokens.weight".to_owned(),
            vec![self.vocab_size, hidden],
        )];
        for layer in 0..self.num_hidden_layers {
            let mut push = |name: &str, shape: &[usize]| {
                tensors.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
            };
            push("input_layernorm.weight", &[hidden]);
            push("self_attn.q_proj.weight", &[q, hidden]);
            push("self_attn.k_proj.weight", &[kv, hidden]);
            push("self_attn.v_proj.weight", &[kv, hidden]);
            if self.attention_bias {
                push("self_attn.q_proj.bias", &[q]);
                push("self_attn.k_proj.bias", &[kv]);
                push("self_attn.v_proj.bias", &[kv]);
            }
            if self.architecture == Architecture::Qwen3 {
                push("self_attn.q_norm.weight", &[self.head_dim]);
                push("self_attn.k_norm.weight", &[self.head_dim]);
            }
            push("self_attn.o_proj.weight", &[hidden, q]);
            push("post_attention_layernorm.weight", &[hidden]);
            push("mlp.gate_proj.weight", &[inter, hidden]);
            push("mlp.up_proj.weight", &[inter, hidden]);
            push("mlp.down_proj.weight", &[hidden, inter]);
        }
        tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
        if !self.tie_word_embeddings {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocab_size, hidden]));
        }
        tensors
    }

    /// The number of parameters.
    pub fn parameters(&self) -> u64 {
        self.tensors()
            .iter()
            .map(|(_, shape)| shape.iter().map(|d| *d as u64).product::<u64>())
            .sum()
    }

    /// The rotary frequency of every pair of a head's elements, scaling included.
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let half = self.head_dim / 2;
        (0..half)
            .map(|i| {
                let frequency = self.rope_theta.powf(-(i as f64) / half as f64);
                self.rope_scaling
                    .map_or(frequency, |scaling| scaling.apply(frequency))
            })
            .collect()
    }
}

impl RopeScaling {
    fn validate(self, file: &Path) -> Result<()> {
        let refuse = |reason: String| Err(Error::invalid(file, reason));
        let factor = match self {
            Self::Linear { factor } | Self::Llama3 { factor, .. } => factor,
        };
        if !(factor >= 1.0 && factor.is_finite()) {
            return refuse(format!("rope_scaling.factor is {factor}; it must be at least 1"));
        }
        if let Self::Llama3 {
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings,
            ..
        } = self
            && (!(low > 0.0 && high > low && high.is_finite()) || original_max_position_embeddings == 0)
        {
            return refuse("rope_scaling's frequency factors are not positive and increasing".to_owned());
        }
        Ok(())
    }

    /// The scaled value of one frequency.
    pub fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let wavelength = 2.0 * std::f64::consts::PI / frequency;
                let context = original_max_position_embeddings as f64;
                if wavelength < context / high_freq_factor {
                    frequency
                } else if wavelength > context / low_freq_factor {
                    frequency / factor
                } else {
                    let smooth =
                        (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
        }
    }
}

/// Reads fields with the file's name in every complaint.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    file: &'a Path,
}

impl Reader<'_> {
    fn config(&self) -> Result<ModelConfig> {
        let model_type = self.text("model_type")?;
        let architecture: Architecture = model_type
            .parse()
            .map_err(|error| Error::Unsupported(format!("{}: {error}", self.file.display())))?;
        if let Some(act) = self.fields.get("hidden_act").and_then(Value::as_str)
            && act != "silu"
        {
            return Err(self.unsupported(&format!("hidden_act `{act}`")));
        }
        for flag in ["use_sliding_window", "mlp_bias"] {
            if self.flag(flag, false)? {
                return Err(self.unsupported(flag));
            }
        }
        if self.fields.contains_key("quantization_config") {
            return Err(self.unsupported("quantization_config in a Hugging Face directory"));
        }
        let hidden_size = self.size("hidden_size")?;
        let num_attention_heads = self.size("num_attention_heads")?;
        let head_dim = match self.optional_size("head_dim")? {
            Some(head_dim) => head_dim,
            None if num_attention_heads > 0 && hidden_size.is_multiple_of(num_attention_heads) => {
                hidden_size / num_attention_heads
            }
            None => return Err(self.refuse("hidden_size is not a multiple of num_attention_heads")),
        };
        let rope = self.fields.get("rope_parameters").and_then(Value::as_object);
        let rope_theta = match rope.and_then(|rope| rope.get("rope_theta")) {
            Some(theta) => theta
                .as_f64()
                .ok_or_else(|| self.refuse("rope_theta is not a number"))?,
            None => self.number("rope_theta", 10_000.0)?,
        };
        let max_position_embeddings = self.optional_size("max_position_embeddings")?.unwrap_or(2048);
        let eos_token_ids = self.token_ids("eos_token_id")?;
        Ok(ModelConfig {
            architecture,
            vocab_size: self.size("vocab_size")?,
            hidden_size,
            intermediate_size: self.size("intermediate_size")?,
            num_hidden_layers: self.size("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: self
                .optional_size("num_key_value_heads")?
                .unwrap_or(num_attention_heads),
            head_dim,
            rms_norm_eps: self.number("rms_norm_eps", 1e-6)?,
            rope_theta,
            rope_scaling: self.rope_scaling(max_position_embeddings)?,
            tie_word_embeddings: self.flag("tie_word_embeddings", false)?,
            attention_bias: self.flag("attention_bias", architecture == Architecture::Qwen2)?,
            max_position_embeddings,
            bos_token_id: self.token_ids("bos_token_id")?.first().copied(),
            eos_token_ids,
        })
    }

    fn rope_scaling(&self, max_position_embeddings: usize) -> Result<Option<RopeScaling>> {
        let source = self.fields.get("rope_scaling").filter(|v| !v.is_null());
        let Some(value) = source.or_else(|| self.fields.get("rope_parameters").filter(|v| !v.is_null()))
        else {
            return Ok(None);
        };
        let Some(scaling) = value.as_object() else {
            return Err(self.refuse("rope_scaling is not an object"));
        };
        let kind = scaling
            .get("rope_type")
            .or_else(|| scaling.get("type"))
            .and_then(Value::as_str);
        let number = |name: &str| {
            scaling
                .get(name)
                .and_then(Value::as_f64)
                .ok_or_else(|| self.refuse(&format!("rope_scaling.{name} is missing or no number")))
        };
        match kind {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear {
                factor: number("factor")?,
            })),
            Some("llama3") => Ok(Some(RopeScaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original_max_position_embeddings: scaling
                    .get("original_max_position_embeddings")
                    .and_then(Value::as_u64)
                    .map_or(max_position_embeddings, |n| n as usize),
            })),
            Some(other) => Err(self.unsupported(&format!("rope_scaling of type `{other}`"))),
        }
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::invalid(self.file, reason)
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported(format!("{}: {what}", self.file.display()))
    }

    fn present(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<&str> {
        self.present(name)
            .and_then(Value::as_str)
            .ok_or_else(|| self.refuse(&format!("{name} is missing or no text")))
    }

    fn optional_size(&self, name: &str) -> Result<Option<usize>> {
        let Some(value) = self.present(name) else {
            return Ok(None);
        };
        value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .map(Some)
            .ok_or_else(|| self.refuse(&format!("{name} is {value}, not a size")))
    }

    fn size(&self, name: &str) -> Result<usize> {
        self.optional_size(name)?
            .ok_or_else(|| self.refuse(&format!("{name} is missing")))
    }

    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.present(name).map_or(Ok(default), |value| {
            value
                .as_f64()
                .ok_or_else(|| self.refuse(&format!("{name} is {value}, not a number")))
        })
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.present(name).map_or(Ok(default), |value| {
            value
                .as_bool()
                .ok_or_else(|| self.refuse(&format!("{name} is {value}, not true or false")))
        })
    }

    fn token_ids(&self, name: &str) -> Result<Vec<u32>> {
        let Some(value) = self.present(name) else {
            return Ok(Vec::new());
        };
        let id = |value: &Value| {
            value
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| self.refuse(&format!("{name} holds {value}, not a token id")))
        };
        match value {
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => Ok(vec![id(one)?]),
        }
    }
}
