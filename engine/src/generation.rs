//! Requests for text, and the stream of tokens that answers them.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use crate::errors::{Error, Result};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SamplingOptions {
    /// 0 always takes the most likely token.
    pub temperature: f32,
    /// Keep the most likely tokens whose probabilities sum to this; 1 keeps all.
    pub top_p: f32,
    /// Keep this many of the most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Drop tokens less likely than this share of the most likely one; 0 keeps all.
    pub min_p: f32,
    /// The seed of the random choice; `None` draws one.
    pub seed: Option<u64>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: None,
        }
    }
}

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
    pub session: Option<String>,
    /// Take the prompt as it stands, without the model's chat template.
    pub raw: bool,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Whom the request is for (a connection, a session): waiting requests of different clients take turns.
    pub client: u64,
    /// Record a trajectory; `None` follows the setting `hyprstream.record_trajectories`.
    pub record: Option<bool>,
}

impl GenerateRequest {
    /// A request with the defaults: temperature 0, at most 256 tokens, the default model without an adapter.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            model: None,
            adapter: None,
            system: None,
            session: None,
            raw: false,
            max_tokens: 256,
            sampling: SamplingOptions::default(),
            stop: Vec::new(),
            client: 0,
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

/// An answer in progress: a stream of tokens. Dropping it cancels the request within one decode.
#[derive(Debug)]
pub struct Generation {
    completion: Option<Completion>,
}

impl Generation {
    /// The finished answer, once the stream has ended without an error.
    pub fn completion(&self) -> Option<&Completion> {
        self.completion.as_ref()
    }
}

impl Stream for Generation {
    type Item = Result<GeneratedToken>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Err(Error::Unsupported("generation".to_owned()))))
    }
}
