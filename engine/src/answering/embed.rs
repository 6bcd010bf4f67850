//! Texts to vectors.

use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::runtime::Runtime;
use crate::scheduler::{EmbedJob, Job, normalise};
use crate::score::SHARED_CLIENT;

/// A request for embeddings; the texts are embedded as one batch.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// The texts, in the order of the answer.
    pub texts: Vec<String>,
    /// The model; `None` is the default one.
    pub model: Option<String>,
    /// Keep only this many leading dimensions (normalised again); `None` keeps all.
    pub dimensions: Option<usize>,
}

/// One text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The L2-normalised vector.
    pub values: Vec<f32>,
    /// Tokens of the text.
    pub tokens: usize,
}

/// The tokens of a text to embed.
pub(crate) fn text_tokens(runtime: &Runtime, text: &str) -> Result<Vec<u32>> {
    let tokens = runtime.files.tokenizer().encode(text, true)?;
    if tokens.is_empty() {
        return Err(Error::argument("text", format!("'{text}'"), "a text to embed has at least one token"));
    }
    if tokens.len() > runtime.context_length {
        return Err(Error::PromptTooLong { prompt_tokens: tokens.len(), context: runtime.context_length });
    }
    Ok(tokens)
}

impl Engine {
    /// The vectors of texts, in their order.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>> {
        let EmbedRequest { texts, model, dimensions } = request;
        let runtime = self.runtime(model.as_deref()).await?;
        let length = runtime.files.config().hidden_size;
        if let Some(dimensions) = dimensions.filter(|dimensions| !(1..=length).contains(dimensions)) {
            let reason = format!("it is between 1 and {length}, the length of the model's embeddings");
            return Err(Error::argument("dimensions", dimensions, reason));
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = texts.iter().map(|text| text_tokens(&runtime, text));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let _place = runtime.place(SHARED_CLIENT).await?;
        let (answer, receiver) = oneshot::channel();
        runtime.submit(Job::Embed(EmbedJob { texts: tokens, background: false, answer }))?;
        let mut embeddings = receiver.await.unwrap_or(Err(Error::Cancelled))?;
        if let Some(dimensions) = dimensions.filter(|&dimensions| dimensions < length) {
            for embedding in &mut embeddings {
                embedding.values.truncate(dimensions);
                normalise(&mut embedding.values);
            }
        }
        Ok(embeddings)
    }

    /// Length of a model's embeddings, for planning; `None` is the default model.
    pub fn embedding_length(&self, model: Option<&str>) -> Result<usize> {
        Ok(self.slot(model)?.files()?.config().hidden_size)
    }
}
