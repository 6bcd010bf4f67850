//! The key-value cache of a decode thread, with the context that computes in it.

use std::sync::Arc;

use hyprstream_models::{Batch, ContextOptions, LlamaContext, LlamaModel, Pooling};

use crate::error::{Error, Result};
use crate::scheduler::job::{ActiveStack, StackKey};
use crate::scheduler::options::DecodeOptions;
use crate::scheduler::policy::cache_shape::CacheShape;
use crate::scheduler::policy::view::Group;
use crate::scheduler::signals::AbortSignal;
use crate::statistics::Statistics;

/// A cache that is made when it is needed, and anew in another shape.
pub(super) struct Cache<'a> {
    model: &'a Arc<LlamaModel>,
    options: &'a DecodeOptions,
    /// Ends what the cache's context computes.
    abort: &'a AbortSignal,
    statistics: &'a Statistics,
    open: Option<Open>,
}

struct Open {
    context: LlamaContext,
    shape: CacheShape,
    /// The adapters that the context computes with.
    loaded: StackKey,
}

impl<'a> Cache<'a> {
    pub(super) fn new(
        model: &'a Arc<LlamaModel>,
        options: &'a DecodeOptions,
        abort: &'a AbortSignal,
        statistics: &'a Statistics,
    ) -> Self {
        Self { model, options, abort, statistics, open: None }
    }

    /// `None` while there is no cache.
    pub(super) fn shape(&self) -> Option<CacheShape> {
        self.open.as_ref().map(|open| open.shape)
    }

    /// The adapters that the context computes with; none while there is no cache.
    pub(super) fn loaded(&self) -> Group<'_> {
        self.open.as_ref().map_or(&[], |open| &open.loaded)
    }

    /// Makes an empty cache in place of the present one.
    pub(super) fn make(&mut self, shape: CacheShape) -> Result<()> {
        // First, so that the memory of both is not taken at once.
        self.release();
        let batch = self.options.limits.batch.tokens as u32;
        let options = ContextOptions {
            context_length: shape.slots * shape.slot_tokens,
            batch,
            micro_batch: batch,
            max_sequences: shape.slots,
            unified_kv: false,
            threads: self.options.threads,
            pooling: Pooling::None,
            kv_type: self.options.cache_type,
            flash_attention: self.options.flash_attention,
        };
        let context = LlamaContext::try_new(self.model, &options)?;
        self.abort.publish(context.abort_flag());
        self.open = Some(Open { context, shape, loaded: StackKey::new() });
        self.statistics.cache_reshapes.add(1);
        Ok(())
    }

    /// Gives the cache's memory back.
    pub(super) fn release(&mut self) {
        self.abort.withdraw();
        self.open = None;
    }

    /// Computes a batch with a stack's adapters; the context that is returned holds its logits.
    pub(super) fn decode(&mut self, batch: &Batch, stack: &ActiveStack) -> Result<&LlamaContext> {
        let Some(Open { context, loaded, .. }) = &mut self.open else {
            return Err(Error::Internal("sequences are active without a cache".to_owned()));
        };
        if *loaded != stack.key {
            context.set_adapters(&stack.adapters)?;
            loaded.clone_from(&stack.key);
            self.statistics.adapter_switches.add(1);
        }
        context.decode(batch)?;
        self.statistics.decodes.add(1);
        Ok(context)
    }

    /// Gives what one slot holds to another. After an error the cache can no longer be relied on.
    pub(super) fn move_slot(&mut self, from: u32, to: u32) -> Result<()> {
        match &mut self.open {
            Some(open) => Ok(open.context.move_sequence(from, to)?),
            None => Ok(()),
        }
    }

    /// Empties a slot. After an error the cache can no longer be relied on.
    pub(super) fn clear_slot(&mut self, slot: u32) -> Result<()> {
        match &mut self.open {
            Some(open) => Ok(open.context.remove(slot)?),
            None => Ok(()),
        }
    }
}
