//! How likely a model holds a given completion to be.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::adapters::store::AdapterStore;
use crate::answering::prompt::{PromptParts, completion_tokens, prompt_tokens};
use crate::error::{Error, Result};
use crate::models::runtime::Runtime;
use crate::requests::score::{Score, ScoreRequest};
use crate::scheduler::{DecodeJob, Job, ScoreTask, Task};

/// Log-probability of a completion after a prompt, by the model that the request means.
pub(crate) async fn score(
    runtime: &Arc<Runtime>,
    store: &AdapterStore,
    request: ScoreRequest,
) -> Result<Score> {
    let stack = runtime.stack(store, request.adapter.as_deref()).await?.stack;
    let parts = PromptParts { prompt: &request.prompt, raw: request.raw, ..PromptParts::default() };
    let mut tokens = prompt_tokens(&runtime.files, &parts)?;
    let completion_start = tokens.len();
    tokens.extend(completion_tokens(&runtime.files, &request.completion, request.raw)?);
    if tokens.len() == completion_start {
        return Ok(Score { logprob: 0.0, tokens: 0 });
    }
    runtime.check_length(tokens.len(), 0)?;
    let _permit = runtime.queue_permit(&request.call).await?;
    let (answer, receiver) = oneshot::channel();
    runtime.submit(Job::Decode(DecodeJob {
        call: Arc::clone(&request.call),
        stack,
        tokens,
        queued_at: Instant::now(),
        permit: None,
        task: Task::Score(ScoreTask { completion_start, answer }),
    }))?;
    receiver.await.unwrap_or(Err(Error::Cancelled))
}
