//! The sizes of a model and of its projections.

use hyprstream_models::ModelConfig;

// The projections by number: their index in `Module::ALL`.
pub(crate) const Q: usize = 0;
pub(crate) const K: usize = 1;
pub(crate) const V: usize = 2;
pub(crate) const O: usize = 3;
pub(crate) const GATE: usize = 4;
pub(crate) const UP: usize = 5;
pub(crate) const DOWN: usize = 6;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) vocab: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    pub(crate) epsilon: f32,
}

impl Dims {
    pub(crate) fn new(config: &ModelConfig) -> Self {
        Self {
            vocab: config.vocab_size,
            hidden: config.hidden_size,
            inner: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head: config.head_dim,
            epsilon: config.rms_norm_eps as f32,
        }
    }

    /// The width of all query heads together.
    pub(crate) fn q_width(&self) -> usize {
        self.heads * self.head
    }

    /// The width of all key (or value) heads together.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head
    }

    /// (out, in) of a projection.
    pub(crate) fn projection(&self, module: usize) -> (usize, usize) {
        match module {
            Q => (self.q_width(), self.hidden),
            K | V => (self.kv_width(), self.hidden),
            O => (self.hidden, self.q_width()),
            GATE | UP => (self.inner, self.hidden),
            _ => (self.hidden, self.inner),
        }
    }
}
