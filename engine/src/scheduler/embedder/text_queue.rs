//! Requests for vectors in the order of their arrival, each with the vectors that it has so far.

use std::collections::VecDeque;

use hyprstream_models::Batch;

use crate::error::{Error, Result};
use crate::requests::embed::Embedding;
use crate::scheduler::ending::duplicate;
use crate::scheduler::job::EmbedJob;
use crate::statistics::Statistics;

/// Requests that wait for their vectors.
#[derive(Default)]
pub(super) struct TextQueue {
    jobs: VecDeque<Progress>,
}

/// A request and the vectors of its first texts.
struct Progress {
    job: EmbedJob,
    done: Vec<Embedding>,
}

/// Texts from the front of a queue, one sequence a text.
pub(super) struct PackedTexts {
    pub(super) batch: Batch,
    /// Tokens of each text.
    pub(super) lengths: Vec<usize>,
}

impl TextQueue {
    pub(super) fn push(&mut self, job: EmbedJob) {
        self.jobs.push_back(Progress { job, done: Vec::new() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Forgets requests whose callers went away.
    pub(super) fn drop_abandoned(&mut self) {
        self.jobs.retain(|progress| !progress.job.is_abandoned());
    }

    fn texts(&self) -> impl Iterator<Item = &Vec<u32>> {
        self.jobs.iter().flat_map(|progress| &progress.job.texts[progress.done.len()..])
    }

    /// Tokens of the longest among the next texts.
    pub(super) fn longest(&self, most_texts: usize) -> Option<usize> {
        self.texts().take(most_texts).map(Vec::len).max()
    }

    /// As many of the next texts as have `most_tokens` together, at least one.
    pub(super) fn pack(&self, most_texts: usize, most_tokens: usize) -> Result<PackedTexts> {
        let first = self.texts().next().map_or(0, Vec::len);
        let capacity = most_tokens.max(first);
        let mut batch = Batch::new(capacity);
        let mut lengths = Vec::new();
        for (sequence, text) in (0..).zip(self.texts().take(most_texts)) {
            if batch.len() + text.len() > capacity {
                break;
            }
            for (position, &token) in (0..).zip(text) {
                batch.add(token, position, sequence, true)?;
            }
            lengths.push(text.len());
        }
        Ok(PackedTexts { batch, lengths })
    }

    /// Gives the next texts their vectors, and the requests that are done their answers.
    pub(super) fn deliver(&mut self, embeddings: Vec<Embedding>, statistics: &Statistics) {
        let mut embeddings = embeddings.into_iter();
        for progress in &mut self.jobs {
            let already = progress.done.len();
            progress.done.extend(embeddings.by_ref().take(progress.job.texts.len() - already));
            let new = &progress.done[already..];
            let tokens = new.iter().map(|embedding| embedding.tokens).sum();
            progress.job.call.count_embedded_texts(new.len(), tokens, statistics);
        }
        while self.jobs.front().is_some_and(|progress| progress.done.len() == progress.job.texts.len()) {
            if let Some(Progress { job, done }) = self.jobs.pop_front() {
                // Nobody waits when this fails.
                let _ = job.answer.send(Ok(done));
            }
        }
    }

    /// Ends the first request with an error.
    pub(super) fn fail_first(&mut self, error: &Error) {
        if let Some(Progress { job, .. }) = self.jobs.pop_front() {
            let _ = job.answer.send(Err(duplicate(error)));
        }
    }

    /// Ends every request with [`Error::Cancelled`].
    pub(super) fn refuse_all(&mut self) {
        for Progress { job, .. } in self.jobs.drain(..) {
            let _ = job.answer.send(Err(Error::Cancelled));
        }
    }
}
