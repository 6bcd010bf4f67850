//! A model's shape and constants.

use std::path::Path;

use crate::config::architecture::Architecture;
use crate::config::rope::RopeScaling;
use crate::error::{Error, Result};

/// A model's shape and constants, under the names of Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family, which decides on biases and on norms of heads.
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
            return refuse(format!("head_dim is {}; rotary positions need an even one", self.head_dim));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return refuse(format!("rms_norm_eps is {}; it must lie between 0 and 1", self.rms_norm_eps));
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
                return refuse(format!("token id {id} is outside the vocabulary of {}", self.vocab_size));
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
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
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
        self.tensors().iter().map(|(_, shape)| shape.iter().map(|d| *d as u64).product::<u64>()).sum()
    }

    /// The rotary frequency of every pair of a head's elements, scaling included.
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let half = self.head_dim / 2;
        (0..half)
            .map(|i| {
                let frequency = self.rope_theta.powf(-(i as f64) / half as f64);
                self.rope_scaling.map_or(frequency, |scaling| scaling.apply(frequency))
            })
            .collect()
    }
}
