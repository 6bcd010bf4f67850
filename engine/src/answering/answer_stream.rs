//! An answer in progress, as a stream of its tokens.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
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
    /// The conversation's turn while it is written.
    written: Option<WrittenTurn>,
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

/// A turn that is being added to its conversation, and the answer that is handed on once it was.
struct WrittenTurn {
    commit: BoxFuture<'static, Result<()>>,
    completion: Completion,
}

impl fmt::Debug for WrittenTurn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WrittenTurn").field("completion", &self.completion).finish_non_exhaustive()
    }
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
            written: None,
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

    /// Takes the answer, which is whole. What is left to do is to add it to its conversation, if it has one.
    fn end(&mut self, finished: Finished) {
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
        match self.turn.take() {
            Some(PendingTurn { turn, system, prompt }) => {
                let commit = turn.commit(system, prompt, completion.clone());
                self.written = Some(WrittenTurn { commit: Box::pin(commit), completion });
            }
            None => self.completion = Some(completion),
        }
    }

    /// Waits until the turn is in its conversation.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<GeneratedToken>>> {
        let Some(written) = &mut self.written else {
            return Poll::Ready(None);
        };
        let Poll::Ready(committed) = written.commit.as_mut().poll(context) else {
            return Poll::Pending;
        };
        let completion = self.written.take().map(|written| written.completion);
        if let Err(error) = committed {
            return Poll::Ready(Some(Err(error)));
        }
        self.completion = completion;
        Poll::Ready(None)
    }
}

impl Stream for Generation {
    type Item = Result<GeneratedToken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return self.poll_turn(context);
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
        match event {
            Some(Event::Finished(finished)) => {
                self.end(finished);
                self.poll_turn(context)
            }
            Some(Event::Failed(error)) => Poll::Ready(Some(Err(error))),
            // The decode thread is gone.
            _ => Poll::Ready(Some(Err(Error::Cancelled))),
        }
    }
}
