//! What waits for a sequence of the batch.

use std::sync::Arc;

use hyprstream_models::Tokenizer;

use super::job::{ActiveStack, GenerateJob, ScoreJob};
use super::policy::cache_shape::CacheLimits;
use super::sequence::Sequence;

/// A request to generate or to score.
pub(super) enum Waiting {
    Generate(Box<GenerateJob>),
    Score(ScoreJob),
}

impl Waiting {
    /// Tokens that it may come to have.
    pub(super) fn need(&self, limits: &CacheLimits) -> usize {
        match self {
            Self::Generate(job) => (job.prompt.len() + job.max_tokens).min(limits.sequence_tokens as usize),
            Self::Score(job) => job.tokens.len(),
        }
    }

    pub(super) fn stack(&self) -> &Arc<ActiveStack> {
        match self {
            Self::Generate(job) => &job.stack,
            Self::Score(job) => &job.stack,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Generate(job) => job.events.is_closed(),
            Self::Score(job) => job.answer.is_closed(),
        }
    }

    /// The request at work, with `need` tokens at most; whoever admits it gives it its slot.
    pub(super) fn into_sequence(self, need: usize, tokenizer: &Tokenizer) -> Sequence<'_> {
        match self {
            Self::Generate(mut job) => {
                job.place = None;
                Sequence::generate(need, *job, tokenizer)
            }
            Self::Score(job) => Sequence::score(job),
        }
    }
}
