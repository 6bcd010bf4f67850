//! What is asked of a decode thread, and what it answers.

use std::sync::Arc;
use std::time::Instant;

use hyprstream_models::LlamaAdapter;
use hyprstream_models::Sampler;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::error::{Error, Result};
use crate::recording::ring::RecordSender;
use crate::recording::trajectory::Header;
use crate::requests::embed::Embedding;
use crate::requests::generate::FinishReason;
use crate::requests::score::Score;

/// Content hash and scale of each adapter of a stack.
pub(crate) type StackKey = Vec<(String, u32)>;

/// The adapters that compute a sequence, named by what they compute.
#[derive(Debug, Default)]
pub(crate) struct ActiveStack {
    /// Whatever is cached of a sequence is valid under this key only.
    pub(crate) key: StackKey,
    pub(crate) adapters: Vec<(Arc<LlamaAdapter>, f32)>,
}

#[derive(Debug)]
pub(crate) enum Job {
    Generate(Box<GenerateJob>),
    Score(ScoreJob),
    Embed(EmbedJob),
    Close,
}

impl Job {
    pub(crate) fn is_background(&self) -> bool {
        matches!(self, Self::Embed(job) if job.background)
    }
}

/// A request for text.
#[derive(Debug)]
pub(crate) struct GenerateJob {
    pub(crate) client: u64,
    pub(crate) stack: Arc<ActiveStack>,
    pub(crate) prompt: Vec<u32>,
    pub(crate) max_tokens: usize,
    pub(crate) sampler: Sampler,
    pub(crate) stop: Vec<String>,
    /// Send every token as it comes, not only the end.
    pub(crate) stream: bool,
    pub(crate) began: Instant,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) recording: Option<Recording>,
    /// The request's place in its client's queue, free again once it has a sequence.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Where a request is recorded at its end.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) header: Header,
    pub(crate) sender: RecordSender,
}

/// What a generation hears of its request.
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

/// A request for the log-probability of the tokens from `completion_start` on.
#[derive(Debug)]
pub(crate) struct ScoreJob {
    pub(crate) stack: Arc<ActiveStack>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) completion_start: usize,
    pub(crate) answer: oneshot::Sender<Result<Score>>,
}

/// A request for the vectors of some texts.
#[derive(Debug)]
pub(crate) struct EmbedJob {
    pub(crate) texts: Vec<Vec<u32>>,
    /// Whether nobody waits for it: every other job goes first, on any model, and breaks it off for a while.
    pub(crate) background: bool,
    pub(crate) answer: oneshot::Sender<Result<Vec<Embedding>>>,
}
