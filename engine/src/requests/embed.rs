//! Texts to vectors.

use std::sync::Arc;

use crate::call::CallContext;

/// A request for embeddings; the texts are embedded as one batch.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// The texts, in the order of the answer.
    pub texts: Vec<String>,
    /// The model; `None` is the default one.
    pub model: Option<String>,
    /// Keep only this many leading dimensions (normalised again); `None` keeps all.
    pub dimensions: Option<usize>,
    /// For whom, and what it costs.
    pub call: Arc<CallContext>,
}

/// One text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The L2-normalised vector.
    pub values: Vec<f32>,
    /// Tokens of the text.
    pub tokens: usize,
}
