//! One request in the batch: its tokens, how many of them are cached, and what is done with its logits.

mod generating;
mod scoring;
mod stop_text;

use std::ops::Range;
use std::sync::Arc;

use hyprstream_models::{Batch, Tokenizer};

use super::ending::Ending;
use super::job::{ActiveStack, DecodeJob, Task};
use super::policy::Request;
use super::policy::view::Active;
use crate::call::CallContext;
use crate::error::Result;
use crate::statistics::Statistics;
use generating::Generating;
use scoring::Scoring;

/// A request that holds a slot of the cache.
pub(super) struct Sequence<'a> {
    pub(super) slot: u32,
    /// The number of its admission.
    pub(super) admission_number: u64,
    pub(super) stack: Arc<ActiveStack>,
    call: Arc<CallContext>,
    /// Prompt, and what was generated so far.
    tokens: Vec<u32>,
    /// How many of the tokens the cache holds.
    cached: usize,
    /// The tokens that the request came with, until they are counted: once, however often they are computed.
    uncounted: Option<usize>,
    /// The most tokens that it will ever have.
    most_tokens: usize,
    progress: Progress<'a>,
}

enum Progress<'a> {
    Generate(Box<Generating<'a>>),
    Score(Scoring),
}

impl<'a> Sequence<'a> {
    /// Takes a request out of its client's queue; whoever admits it gives it its slot and the number of its admission.
    /// `limit` is the most tokens that a sequence may have.
    pub(super) fn new(job: DecodeJob, limit: usize, tokenizer: &'a Tokenizer) -> Self {
        let most_tokens = job.most_tokens(limit);
        let DecodeJob { call, stack, tokens, queued_at, permit, task } = job;
        call.count_queue_time(queued_at.elapsed());
        drop(permit);
        let progress = match task {
            Task::Generate(task) => {
                let room = most_tokens - tokens.len();
                Progress::Generate(Box::new(Generating::new(*task, tokens.len(), room, tokenizer)))
            }
            Task::Score(task) => Progress::Score(Scoring::new(task)),
        };
        let uncounted = Some(tokens.len());
        Self {
            slot: 0,
            admission_number: 0,
            stack,
            call,
            tokens,
            cached: 0,
            uncounted,
            most_tokens,
            progress,
        }
    }

    /// The sequence as the policy sees it.
    pub(super) fn view(&self) -> Active<'_> {
        Active {
            slot: self.slot as usize,
            admission_number: self.admission_number,
            group: &self.stack.key,
            cached: self.cached,
            pending: self.tokens.len() - self.cached,
            most_tokens: self.most_tokens,
            logits: self.wanted_logits(),
        }
    }

    /// Puts the next `count` tokens into a batch.
    pub(super) fn feed(&self, count: usize, batch: &mut Batch) -> Result<()> {
        let wanted = self.wanted_logits();
        for position in self.cached..self.cached + count {
            batch.add(self.tokens[position], position as u32, self.slot, wanted.contains(&position))?;
        }
        Ok(())
    }

    /// How many of its tokens the cache holds.
    pub(super) fn cached(&self) -> usize {
        self.cached
    }

    /// The cache holds `count` more of its tokens.
    pub(super) fn advance(&mut self, count: usize, statistics: &Statistics) {
        self.cached += count;
        // A score is known without what comes after the completion's last token.
        let uncomputed = usize::from(matches!(self.progress, Progress::Score(_)));
        if let Some(tokens) = self.uncounted.take_if(|tokens| self.cached + uncomputed >= *tokens) {
            self.call.count_prompt(tokens, statistics);
        }
    }

    /// The cache holds nothing of it any more.
    pub(super) fn restart(&mut self) {
        self.cached = 0;
    }

    /// Whether nobody waits for the answer any more, or its time is used up.
    pub(super) fn is_abandoned(&self) -> bool {
        let nobody_waits = match &self.progress {
            Progress::Generate(generating) => generating.is_abandoned(),
            Progress::Score(scoring) => scoring.is_abandoned(),
        };
        nobody_waits || self.call.is_past_deadline()
    }

    /// The positions of the tokens after which logits are wanted.
    pub(super) fn wanted_logits(&self) -> Range<usize> {
        let last = self.tokens.len() - 1;
        match &self.progress {
            Progress::Generate(_) => last..last + 1,
            Progress::Score(scoring) => scoring.next_position().saturating_sub(1)..last,
        }
    }

    /// Takes the logits after the token at `position`. Returns whether the request is finished.
    pub(super) fn take_logits(
        &mut self,
        position: usize,
        logits: &[f32],
        statistics: &Statistics,
    ) -> Result<bool> {
        match &mut self.progress {
            Progress::Generate(generating) => {
                generating.take(&mut self.tokens, logits, &self.call, statistics)
            }
            Progress::Score(scoring) => {
                scoring.take(self.tokens[position + 1], logits)?;
                Ok(scoring.next_position() == self.tokens.len())
            }
        }
    }

    /// Answers the request: with its result, or with the error that ended it.
    pub(super) fn finish(self, ending: Ending, statistics: &Statistics) {
        match self.progress {
            Progress::Generate(generating) => generating.finish(&self.tokens, ending, &self.call, statistics),
            Progress::Score(scoring) => scoring.finish(ending, statistics),
        }
    }
}
