//! Texts to vectors.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::call::CallContext;
use crate::error::{Error, Result};
use crate::models::runtime::Runtime;
use crate::requests::embed::{EmbedRequest, Embedding};
use crate::scheduler::{EmbedJob, Job, normalise};

/// The vectors of texts, in their order, by the model that the request means.
pub(crate) async fn embed(runtime: &Runtime, request: EmbedRequest) -> Result<Vec<Embedding>> {
    let EmbedRequest { texts, dimensions, call, .. } = request;
    let length = runtime.files.config().hidden_size;
    if let Some(dimensions) = dimensions.filter(|dimensions| !(1..=length).contains(dimensions)) {
        let reason = format!("it is between 1 and {length}, the length of the model's embeddings");
        return Err(Error::argument("dimensions", dimensions, reason));
    }
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = texts.iter().map(|text| text_tokens(runtime, text)).collect::<Result<_>>()?;
    let _permit = runtime.queue_permit(&call).await?;
    let mut embeddings = submit(runtime, &call, tokens)?.await.unwrap_or(Err(Error::Cancelled))?;
    if let Some(dimensions) = dimensions.filter(|&dimensions| dimensions < length) {
        for embedding in &mut embeddings {
            embedding.values.truncate(dimensions);
            normalise(&mut embedding.values);
        }
    }
    Ok(embeddings)
}

/// The tokens of a text to embed.
pub(crate) fn text_tokens(runtime: &Runtime, text: &str) -> Result<Vec<u32>> {
    let tokens = runtime.files.tokenizer().encode_text(text, true)?;
    if tokens.is_empty() {
        return Err(Error::text_argument("text", text, "a text to embed has at least one token"));
    }
    runtime.check_length(tokens.len(), 0)?;
    Ok(tokens)
}

/// Hands texts, as tokens, to the model's decode thread; their vectors come in the same order.
pub(crate) fn submit(
    runtime: &Runtime,
    call: &Arc<CallContext>,
    texts: Vec<Vec<u32>>,
) -> Result<oneshot::Receiver<Result<Vec<Embedding>>>> {
    let (answer, receiver) = oneshot::channel();
    runtime.submit(Job::Embed(EmbedJob { call: Arc::clone(call), texts, answer }))?;
    Ok(receiver)
}
