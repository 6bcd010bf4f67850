//! Requests for text, and the stream of tokens that answers them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use hyprstream_models::SamplingOptions;
use tokio::sync::mpsc;

use crate::errors::{Error, Result};
use crate::runtime::Runtime;
use crate::scheduler::{Event, Finished};
use crate::sessions::SessionTurn;

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
    events: mpsc::UnboundedReceiver<Event>,
    text: String,
    tokens: u32,
    trajectory_id: Option<u64>,
    provenance: String,
    turn: Option<PendingTurn>,
    completion: Option<Completion>,
    ended: bool,
    /// A model that is dropped while it answers finishes its streams.
    _runtime: Arc<Runtime>,
}

/// What is added to the conversation once the answer is whole.
#[derive(Debug)]
pub(crate) struct PendingTurn {
    pub(crate) session: SessionTurn,
    pub(crate) system: Option<String>,
    pub(crate) prompt: String,
}

impl Generation {
    pub(crate) fn new(
        events: mpsc::UnboundedReceiver<Event>,
        runtime: Arc<Runtime>,
        provenance: String,
        trajectory_id: Option<u64>,
        turn: Option<PendingTurn>,
    ) -> Self {
        Self {
            events,
            text: String::new(),
            tokens: 0,
            trajectory_id,
            provenance,
            turn,
            completion: None,
            ended: false,
            _runtime: runtime,
        }
    }

    /// The finished answer, once the stream has ended without an error.
    pub fn completion(&self) -> Option<&Completion> {
        self.completion.as_ref()
    }

    /// Takes the finished answer.
    pub(crate) fn into_completion(self) -> Result<Completion> {
        self.completion.ok_or(Error::Cancelled)
    }

    fn end(&mut self, finished: Finished) -> Result<()> {
        if let Some(PendingTurn { session, system, prompt }) = self.turn.take() {
            session.commit(system.as_deref(), &prompt, &finished)?;
        }
        self.completion = Some(Completion {
            text: finished.text,
            finish_reason: finished.finish_reason,
            trajectory_id: self.trajectory_id,
            provenance: self.provenance.clone(),
            prompt_tokens: finished.prompt_tokens,
            completion_tokens: finished.completion_tokens,
            time_to_first_token_ms: finished.time_to_first_token_ms,
            total_ms: finished.total_ms,
        });
        Ok(())
    }
}

impl Stream for Generation {
    type Item = Result<GeneratedToken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = match self.events.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(event) => event,
        };
        if let Some(Event::Token { token_id, text: token, logprob, elapsed_ms }) = event {
            self.text.push_str(&token);
            let index = self.tokens;
            self.tokens += 1;
            let text = self.text.clone();
            return Poll::Ready(Some(Ok(GeneratedToken {
                index,
                token_id,
                token,
                logprob,
                text,
                elapsed_ms,
            })));
        }
        self.ended = true;
        self.events.close();
        let result = match event {
            Some(Event::Finished(finished)) => self.end(finished),
            Some(Event::Failed(error)) => Err(error),
            // The decode thread is gone.
            _ => Err(Error::Cancelled),
        };
        Poll::Ready(result.err().map(Err))
    }
}
