//! How likely a model holds a given completion to be.

use std::sync::Arc;

use crate::call::CallContext;

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
    /// For whom, and what it costs.
    pub call: Arc<CallContext>,
}

/// A completion's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Sum of the log-probabilities of the completion's tokens, in nats.
    pub logprob: f64,
    /// How many tokens were summed.
    pub tokens: usize,
}
