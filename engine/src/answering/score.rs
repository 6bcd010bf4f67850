//! How likely a model holds a given completion to be.

use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::prompt::{PromptParts, completion_tokens, prompt_tokens};
use crate::scheduler::{Job, ScoreJob};

/// The client that scoring and embedding wait as.
pub(crate) const SHARED_CLIENT: u64 = u64::MAX;

/// A request for the log-probability of `completion` after `prompt`.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    /// What the user says, or the whole text before the completion when `raw`.
    pub prompt: String,
    /// The completion that is scored; its end of turn counts unless `raw`.
    pub completion: String,
    /// The model; `None` is the default one.
    pub model: Option<String>,
    /// The adapter or stack; `None` is the base model.
    pub adapter: Option<String>,
    /// Take prompt and completion as they stand, without the chat template and the end of turn.
    pub raw: bool,
}

/// A completion's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Sum of the log-probabilities of the completion's tokens, in nats.
    pub logprob: f64,
    /// How many tokens were summed.
    pub tokens: usize,
}

impl Engine {
    /// Log-probability of a completion after a prompt.
    pub async fn score(&self, request: ScoreRequest) -> Result<Score> {
        let runtime = self.runtime(request.model.as_deref()).await?;
        let stack = runtime.stack(&self.adapter_store, request.adapter.as_deref()).await?;
        let parts = PromptParts { prompt: &request.prompt, raw: request.raw, ..PromptParts::default() };
        let mut tokens = prompt_tokens(&runtime.files, &parts)?;
        let completion_start = tokens.len();
        tokens.extend(completion_tokens(&runtime.files, &request.completion, request.raw)?);
        if tokens.len() == completion_start {
            return Ok(Score { logprob: 0.0, tokens: 0 });
        }
        if tokens.len() > runtime.context_length {
            return Err(Error::PromptTooLong {
                prompt_tokens: tokens.len(),
                context: runtime.context_length,
            });
        }
        let _place = runtime.place(SHARED_CLIENT).await?;
        let (answer, receiver) = oneshot::channel();
        runtime.submit(Job::Score(ScoreJob { stack: stack.stack, tokens, completion_start, answer }))?;
        receiver.await.unwrap_or(Err(Error::Cancelled))
    }
}
