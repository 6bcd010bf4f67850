//! Texts to vectors: mean of the final norm's output over a text's tokens, then L2.
//!
//! Texts are packed into batches of one context with a unified cache, because a text that is pooled must lie in
//! one micro-batch. Background work has a context of its own, and is done in small batches that can be broken off.

mod text_queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_models::{CacheType, ContextOptions, LlamaContext, LlamaModel, Pooling};

use super::job::EmbedJob;
use super::options::DecodeOptions;
use crate::error::{Error, Result};
use crate::requests::embed::Embedding;
use crate::statistics::Statistics;
use text_queue::{PackedTexts, TextQueue};

const MOST_TEXTS: usize = 64;
const BATCH_UNIT: usize = 512;
/// The most tokens of a batch of background work, unless one text has more.
const BACKGROUND_TOKENS: usize = 64;

pub(super) struct Embedder {
    foreground: TextQueue,
    foreground_context: PoolingContext,
    background: TextQueue,
    background_context: PoolingContext,
}

/// A context that is made when it is needed, and anew when it is too small.
struct PoolingContext {
    model: Arc<LlamaModel>,
    threads: u32,
    cache_type: CacheType,
    context: Option<LlamaContext>,
}

impl Embedder {
    pub(super) fn new(model: &Arc<LlamaModel>, options: &DecodeOptions) -> Self {
        let context = |threads| PoolingContext {
            model: Arc::clone(model),
            threads,
            cache_type: options.cache_type,
            context: None,
        };
        Self {
            foreground: TextQueue::default(),
            foreground_context: context(options.threads),
            background: TextQueue::default(),
            // With more threads, a busy processor would look free to the contexts that answer.
            background_context: context(1),
        }
    }

    pub(super) fn push(&mut self, job: EmbedJob) {
        if job.is_background() {
            self.background.push(job);
        } else {
            self.foreground.push(job);
        }
    }

    /// Whether nothing but background work is left.
    pub(super) fn is_idle(&self) -> bool {
        self.foreground.is_empty()
    }

    pub(super) fn has_background(&self) -> bool {
        !self.background.is_empty()
    }

    pub(super) fn give_back_memory(&mut self) {
        self.foreground_context.context = None;
        self.background_context.context = None;
    }

    pub(super) fn refuse_all(&mut self) {
        self.give_back_memory();
        self.foreground.refuse_all();
        self.background.refuse_all();
    }

    /// Computes one batch of texts, of one request or several.
    pub(super) fn work(&mut self, statistics: &Statistics) {
        self.foreground.drop_abandoned();
        match self.compute_foreground() {
            Ok(embeddings) => self.foreground.deliver(embeddings, statistics),
            Err(error) => {
                tracing::error!(%error, "embedding failed");
                self.foreground_context.context = None;
                self.foreground.fail_first(&error);
            }
        }
    }

    fn compute_foreground(&mut self) -> Result<Vec<Embedding>> {
        let Some(longest) = self.foreground.longest(MOST_TEXTS) else {
            return Ok(Vec::new());
        };
        let capacity = capacity_for(longest);
        let packed = self.foreground.pack(MOST_TEXTS, capacity)?;
        compute(self.foreground_context.holding(capacity)?, &packed)
    }

    /// Prepares [`Self::work_in_background`]. Returns the flag that breaks it off, or `None` when there is nothing to do.
    pub(super) fn prepare_background(&mut self, statistics: &Statistics) -> Option<Arc<AtomicBool>> {
        self.background.drop_abandoned();
        let Some(longest) = self.background.longest(1) else {
            self.background.deliver(Vec::new(), statistics);
            return None;
        };
        match self.background_context.holding(capacity_for(longest)) {
            Ok(context) => {
                let flag = context.abort_flag();
                flag.store(false, Ordering::Release);
                Some(flag)
            }
            Err(error) => {
                self.background.fail_first(&error);
                None
            }
        }
    }

    /// Computes one small batch of background work. If it is broken off, it is done again later.
    pub(super) fn work_in_background(&mut self, statistics: &Statistics) {
        let packed = self.background.pack(MOST_TEXTS, BACKGROUND_TOKENS);
        let Some(context) = &mut self.background_context.context else {
            return;
        };
        match packed.and_then(|packed| compute(context, &packed)) {
            Ok(embeddings) => self.background.deliver(embeddings, statistics),
            Err(Error::Cancelled) => {}
            Err(error) => {
                self.background_context.context = None;
                self.background.fail_first(&error);
            }
        }
    }
}

impl PoolingContext {
    /// A context whose batch holds `capacity` tokens.
    fn holding(&mut self, capacity: usize) -> Result<&mut LlamaContext> {
        let large_enough =
            self.context.take().filter(|context| context.options().context_length as usize >= capacity);
        let context = match large_enough {
            Some(context) => context,
            None => LlamaContext::try_new(
                &self.model,
                &ContextOptions {
                    context_length: capacity as u32,
                    batch: capacity as u32,
                    micro_batch: capacity as u32,
                    max_sequences: MOST_TEXTS as u32,
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

fn capacity_for(tokens: usize) -> usize {
    tokens.div_ceil(BATCH_UNIT).max(1) * BATCH_UNIT
}

fn compute(context: &mut LlamaContext, packed: &PackedTexts) -> Result<Vec<Embedding>> {
    context.clear();
    context.decode(&packed.batch)?;
    let mut embeddings = Vec::with_capacity(packed.lengths.len());
    for (sequence, &tokens) in (0..).zip(&packed.lengths) {
        let mut values = context.sequence_embedding(sequence)?.to_vec();
        normalise(&mut values);
        embeddings.push(Embedding { values, tokens });
    }
    Ok(embeddings)
}

/// Scales a vector to length 1; a zero vector stays as it is.
pub(crate) fn normalise(values: &mut [f32]) {
    let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    if norm > 0.0 {
        for value in values {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}
