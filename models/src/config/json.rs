//! Reading and writing `config.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::architecture::Architecture;
use crate::config::model::ModelConfig;
use crate::config::rope::RopeScaling;
use crate::error::{Error, Result};

impl ModelConfig {
    /// Reads and validates a `config.json`; `file` is named in errors.
    pub fn from_json(bytes: &[u8], file: &Path) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid(file, format!("is not valid JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(Error::invalid(file, "is not a JSON object"));
        };
        let config = Reader { fields: &fields, file }.config()?;
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
            Some(theta) => theta.as_f64().ok_or_else(|| self.refuse("rope_theta is not a number"))?,
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
            num_key_value_heads: self.optional_size("num_key_value_heads")?.unwrap_or(num_attention_heads),
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
        let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
        let number = |name: &str| {
            scaling
                .get(name)
                .and_then(Value::as_f64)
                .ok_or_else(|| self.refuse(&format!("rope_scaling.{name} is missing or no number")))
        };
        match kind {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear { factor: number("factor")? })),
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
        self.optional_size(name)?.ok_or_else(|| self.refuse(&format!("{name} is missing")))
    }

    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.present(name).map_or(Ok(default), |value| {
            value.as_f64().ok_or_else(|| self.refuse(&format!("{name} is {value}, not a number")))
        })
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.present(name).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| self.refuse(&format!("{name} is {value}, not true or false")))
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
