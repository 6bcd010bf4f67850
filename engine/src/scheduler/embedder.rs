//! Texts to vectors: mean of the final norm's output over a text's tokens, then L2.
//!
//! Texts are packed into batches of one context with a unified cache, because a text that is pooled must lie in
//! one micro-batch.

use std::collections::VecDeque;
use std::sync::Arc;

use hyprstream_models::{Batch, CacheType, ContextOptions, LlamaContext, LlamaModel, Pooling};

use super::decode_loop::{DecodeOptions, again};
use super::job::EmbedJob;
use crate::embed::Embedding;
use crate::errors::{Error, Result};
use crate::statistics::Statistics;

const MOST_TEXTS: u32 = 64;
const BATCH_UNIT: usize = 512;

pub(super) struct Embedder {
    model: Arc<LlamaModel>,
    threads: u32,
    cache_type: CacheType,
    context: Option<LlamaContext>,
    jobs: VecDeque<Progress>,
}

/// A request of which some texts are done.
struct Progress {
    job: EmbedJob,
    done: Vec<Embedding>,
}

impl Embedder {
    pub(super) fn new(model: Arc<LlamaModel>, options: &DecodeOptions) -> Self {
        let (threads, cache_type) = (options.threads, options.cache_type);
        Self {
            model,
            threads,
            cache_type,
            context: None,
            jobs: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, job: EmbedJob) {
        self.jobs.push_back(Progress {
            job,
            done: Vec::new(),
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn give_back_memory(&mut self) {
        self.context = None;
    }

    pub(super) fn refuse_all(&mut self) {
        self.context = None;
        for Progress { job, .. } in self.jobs.drain(..) {
            // Nobody waits when this fails.
            let _ = job.answer.send(Err(Error::Cancelled));
        }
    }

    /// Computes one batch of texts, of one request or several.
    pub(super) fn work(&mut self, statistics: &Statistics) {
        self.jobs.retain(|progress| !progress.job.answer.is_closed());
        if let Err(error) = self.compute(statistics) {
            tracing::error!(%error, "embedding failed");
            self.context = None;
            if let Some(Progress { job, .. }) = self.jobs.pop_front() {
                let _ = job.answer.send(Err(again(&error)));
            }
        }
        while self
            .jobs
            .front()
            .is_some_and(|progress| progress.done.len() == progress.job.texts.len())
        {
            if let Some(Progress { job, done }) = self.jobs.pop_front() {
                let _ = job.answer.send(Ok(done));
            }
        }
    }

    fn compute(&mut self, statistics: &Statistics) -> Result<()> {
        let texts = || {
            self.jobs
                .iter()
                .flat_map(|progress| &progress.job.texts[progress.done.len()..])
        };
        let Some(longest) = texts().map(Vec::len).take(MOST_TEXTS as usize).max() else {
            return Ok(());
        };
        let capacity = longest.div_ceil(BATCH_UNIT).max(1) * BATCH_UNIT;
        let mut batch = Batch::new(capacity);
        let mut lengths = Vec::new();
        for (sequence, text) in (0..MOST_TEXTS).zip(texts()) {
            if batch.len() + text.len() > capacity {
                break;
            }
            for (position, &token) in (0..).zip(text) {
                batch.add(token, position, sequence, true)?;
            }
            lengths.push(text.len());
        }
        let context = self.context(capacity)?;
        context.clear();
        context.decode(&batch)?;
        let mut embeddings = Vec::with_capacity(lengths.len());
        for (sequence, &tokens) in (0..).zip(&lengths) {
            let mut values = context.sequence_embedding(sequence)?.to_vec();
            normalise(&mut values);
            embeddings.push(Embedding { values, tokens });
        }
        statistics.embedded_texts.add(lengths.len() as u64);
        statistics
            .embedded_tokens
            .add(lengths.iter().sum::<usize>() as u64);
        let mut embeddings = embeddings.into_iter();
        for progress in &mut self.jobs {
            let left = progress.job.texts.len() - progress.done.len();
            progress.done.extend(embeddings.by_ref().take(left));
        }
        Ok(())
    }

    /// A context whose batch holds `capacity` tokens.
    fn context(&mut self, capacity: usize) -> Result<&mut LlamaContext> {
        let large_enough = self
            .context
            .take()
            .filter(|context| context.options().context_length as usize >= capacity);
        let context = match large_enough {
            Some(context) => context,
            None => LlamaContext::try_new(
                &self.model,
                &ContextOptions {
                    context_length: capacity as u32,
                    batch: capacity as u32,
                    micro_batch: capacity as u32,
                    max_sequences: MOST_TEXTS,
                    unified_kv: true,
                    threads: self.threads,
                    pooling: Pooling::Mean,
                    kv_type: self.cache_type,
                    flash_attention: false,
                },
            )?,
        };
        Ok(self.context.insert(context))
    }
}

/// Scales a vector to length 1; a zero vector stays as it is.
pub(crate) fn normalise(values: &mut [f32]) {
    let norm = values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        for value in values {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}
