//! An answer in progress, as a stream of its tokens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::catalog::conversations::ConversationTurn;
use crate::error::{Error, Result};
use crate::models::runtime::Runtime;
use crate::requests::generate::{Completion, GeneratedToken};
use crate::scheduler::{Event, Finished};

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
    pub(crate) turn: ConversationTurn,
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
        let Finished {
            text,
            finish_reason,
            prompt_tokens,
            completion_tokens,
            time_to_first_token_ms,
            total_ms,
        } = finished;
        let completion = Completion {
            text,
            finish_reason,
            trajectory_id: self.trajectory_id,
            provenance: std::mem::take(&mut self.provenance),
            prompt_tokens,
            completion_tokens,
            time_to_first_token_ms,
            total_ms,
        };
        if let Some(PendingTurn { turn, system, prompt }) = self.turn.take() {
            turn.commit(system.as_deref(), &prompt, &completion)?;
        }
        self.completion = Some(completion);
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
