//! Text that continues a prompt.

use std::fmt;
use std::sync::Arc;

use hyprstream_models::SamplingOptions;

use crate::call::CallContext;
use crate::limits::DEFAULT_MAX_TOKENS;

/// A request for text.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// What the user says, or the whole text when `raw`.
    pub prompt: String,
    /// The model; `None` is the default one.
    pub model: Option<String>,
    /// The adapter or stack: `name`, `name@version`, `name@tag`, `a+b:0.5`; `None` is the base model.
    pub adapter: Option<String>,
    /// The system message.
    pub system: Option<String>,
    /// The conversation that this prompt continues and that the answer is added to.
    pub conversation: Option<String>,
    /// Take the prompt as it stands, without the model's chat template.
    pub raw: bool,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// For whom, and what it costs.
    pub call: Arc<CallContext>,
    /// Record a trajectory; `None` follows the setting `hyprstream.record_trajectories`.
    pub record: Option<bool>,
}

impl GenerateRequest {
    /// A request of this process with the defaults: temperature 0, at most [`DEFAULT_MAX_TOKENS`], the default model
    /// without an adapter.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            model: None,
            adapter: None,
            system: None,
            conversation: None,
            raw: false,
            max_tokens: DEFAULT_MAX_TOKENS,
            sampling: SamplingOptions::default(),
            stop: Vec::new(),
            call: CallContext::local(),
            record: None,
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model ended its turn, or a stop text appeared.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
    /// The request was cancelled; only seen in trajectories.
    Cancelled,
}

impl FinishReason {
    /// The name used in tables and protocols.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One token of an answer, as it is decoded; the token that ends the turn comes too, with an empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedToken {
    /// Its position in the answer, from 0.
    pub index: u32,
    /// Its id in the vocabulary.
    pub token_id: u32,
    /// The text it adds: whole characters only, so it is empty while a character is incomplete.
    pub token: String,
    /// Its log-probability under the distribution it was sampled from (at temperature 0, the model's own).
    pub logprob: f32,
    /// The answer up to and including this token.
    pub text: String,
    /// Milliseconds since the request was made.
    pub elapsed_ms: f64,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The answer, without the stop text.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The trajectory it is recorded under; `None` when it is not recorded.
    pub trajectory_id: Option<u64>,
    /// Names what the answer came from: a hash of model, adapter versions, parameters and prompt.
    pub provenance: String,
    /// Tokens of the prompt, chat template included.
    pub prompt_tokens: usize,
    /// Tokens generated, the end of the turn included.
    pub completion_tokens: usize,
    /// Milliseconds from the request to its first token.
    pub time_to_first_token_ms: f64,
    /// Milliseconds from the request to its end.
    pub total_ms: f64,
}
