//! What is asked of a decode thread, and what it answers.

use std::sync::Arc;
use std::time::Instant;

use hyprstream_models::{LlamaAdapter, Sampler};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::policy::Request;
use super::policy::view::Group;
use crate::call::{CallContext, ClientId, WorkClass};
use crate::error::{Error, Result};
use crate::recording::ring::RecordSender;
use crate::recording::trajectory::Header;
use crate::requests::embed::Embedding;
use crate::requests::generate::FinishReason;
use crate::requests::score::Score;

/// Content hash and scale of each adapter of a stack.
pub(crate) type StackKey = Vec<(String, u32)>;

/// The adapters that a sequence is computed with.
#[derive(Debug, Default)]
pub(crate) struct ActiveStack {
    /// Names what the adapters compute: the cached tokens of a sequence are valid under this key only.
    pub(crate) key: StackKey,
    pub(crate) adapters: Vec<(Arc<LlamaAdapter>, f32)>,
}

#[derive(Debug)]
pub(crate) enum Job {
    Decode(DecodeJob),
    Embed(EmbedJob),
    Close,
}

impl Job {
    pub(crate) fn is_background(&self) -> bool {
        matches!(self, Self::Embed(job) if job.is_background())
    }
}

/// A request that decodes in a slot of the cache; until it is admitted it waits as it is.
#[derive(Debug)]
pub(crate) struct DecodeJob {
    pub(crate) call: Arc<CallContext>,
    pub(crate) stack: Arc<ActiveStack>,
    /// The prompt; in scoring the completion too.
    pub(crate) tokens: Vec<u32>,
    pub(crate) queued_at: Instant,
    /// Lets it wait in its client's queue; given back at its admission.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) task: Task,
}

/// What is done with the logits of a [`DecodeJob`].
#[derive(Debug)]
pub(crate) enum Task {
    Generate(Box<GenerateTask>),
    Score(ScoreTask),
}

/// Continue the prompt with tokens.
#[derive(Debug)]
pub(crate) struct GenerateTask {
    pub(crate) max_tokens: usize,
    pub(crate) sampler: Sampler,
    pub(crate) stop: Vec<String>,
    /// Send every token as it comes, not only the end.
    pub(crate) stream: bool,
    pub(crate) began: Instant,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) recording: Option<Recording>,
}

/// Sum the log-probabilities of the tokens from `completion_start` on.
#[derive(Debug)]
pub(crate) struct ScoreTask {
    pub(crate) completion_start: usize,
    pub(crate) answer: oneshot::Sender<Result<Score>>,
}

impl Request for DecodeJob {
    fn client(&self) -> ClientId {
        self.call.client()
    }

    fn group(&self) -> Group<'_> {
        &self.stack.key
    }

    fn most_tokens(&self, limit: usize) -> usize {
        match &self.task {
            Task::Generate(task) => (self.tokens.len() + task.max_tokens).min(limit),
            Task::Score(_) => self.tokens.len(),
        }
    }
}

impl DecodeJob {
    /// Whether nobody waits for the answer any more, or its time is used up.
    pub(crate) fn is_abandoned(&self) -> bool {
        let nobody_waits = match &self.task {
            Task::Generate(task) => task.events.is_closed(),
            Task::Score(task) => task.answer.is_closed(),
        };
        nobody_waits || self.call.is_past_deadline()
    }
}

/// Where a request is recorded at its end.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) header: Header,
    pub(crate) sender: RecordSender,
}

/// What a request for text is answered with, one after another.
#[derive(Debug)]
pub(crate) enum Event {
    Token { token_id: u32, text: String, logprob: f32, elapsed_ms: f64 },
    Finished(Finished),
    Failed(Error),
}

#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) time_to_first_token_ms: f64,
    pub(crate) total_ms: f64,
}

/// A request for the vectors of some texts.
#[derive(Debug)]
pub(crate) struct EmbedJob {
    pub(crate) call: Arc<CallContext>,
    pub(crate) texts: Vec<Vec<u32>>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Embedding>>>,
}

impl EmbedJob {
    /// Background work is computed while no model has anything else to do, and any other job breaks it off.
    pub(crate) fn is_background(&self) -> bool {
        self.call.class() == WorkClass::Background
    }

    /// Whether nobody waits for the vectors any more, or their time is used up.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.is_closed() || self.call.is_past_deadline()
    }
}
