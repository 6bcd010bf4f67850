//! The batch of one model: requests are admitted to it, fed, sampled and answered.
//!
//! [`Policy`] decides who is next, and the decoder does it.

mod cache;

use std::sync::Arc;

use hyprstream_models::{Batch, LlamaModel, Tokenizer};

use super::ending::Ending;
use super::job::{ActiveStack, DecodeJob};
use super::options::DecodeOptions;
use super::policy::cache_shape::CacheShape;
use super::policy::shares::Share;
use super::policy::view::View;
use super::policy::{Admission, Policy};
use super::sequence::Sequence;
use super::signals::Signals;
use crate::error::{Error, Result};
use crate::statistics::Statistics;
use cache::Cache;

/// The sequences of a model, and the requests that wait to become one.
pub(super) struct Decoder<'a> {
    tokenizer: &'a Tokenizer,
    options: &'a DecodeOptions,
    signals: &'a Signals,
    statistics: &'a Statistics,
    policy: Policy<DecodeJob>,
    cache: Cache<'a>,
    /// What the cache holds is unknown; it is made anew before anything else is computed.
    cache_is_lost: bool,
    /// In order of slot.
    active: Vec<Sequence<'a>>,
    batch: Batch,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        model: &'a Arc<LlamaModel>,
        tokenizer: &'a Tokenizer,
        options: &'a DecodeOptions,
        signals: &'a Signals,
        statistics: &'a Statistics,
    ) -> Self {
        Self {
            tokenizer,
            options,
            signals,
            statistics,
            policy: Policy::new(options.limits),
            cache: Cache::new(model, options, &signals.decode, statistics),
            cache_is_lost: false,
            active: Vec::new(),
            batch: Batch::new(options.limits.batch.tokens),
        }
    }

    /// Queues a request.
    pub(super) fn push(&mut self, job: DecodeJob) {
        self.statistics.waiting_requests.add(1);
        self.policy.enqueue(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.is_empty() && !self.policy.has_waiting()
    }

    /// Computes the next tokens of every sequence, after the batch has been put in order.
    pub(super) fn step(&mut self) {
        self.drop_abandoned();
        self.close_gaps();
        if let Err(error) = self.admit() {
            self.fail_all(&error);
        }
        self.decode_groups();
    }

    fn view(&self) -> View<'_> {
        View { shape: self.cache.shape(), active: self.active.iter().map(Sequence::view).collect() }
    }

    fn drop_abandoned(&mut self) {
        for job in self.policy.remove_if(DecodeJob::is_abandoned) {
            self.finish_waiting(job, Ending::Abandoned);
        }
        let mut index = 0;
        while index < self.active.len() {
            if self.active[index].is_abandoned() {
                self.retire(index, Ending::Abandoned);
            } else {
                index += 1;
            }
        }
        self.replace_lost_cache();
    }

    /// Moves sequences into the gaps that others left, so that those of a group are neighbours.
    fn close_gaps(&mut self) {
        while let Some(step) = self.policy.closing_move(&self.view()) {
            let (from, to) = (step.from as u32, step.to as u32);
            let Some(sequence) = self.active.iter_mut().find(|sequence| sequence.slot == from) else {
                return;
            };
            sequence.slot = to;
            let holds_tokens = sequence.cached() > 0;
            self.active.sort_by_key(|sequence| sequence.slot);
            self.statistics.moved_sequences.add(1);
            if holds_tokens && let Err(error) = self.cache.move_slot(from, to) {
                tracing::error!(%error, "a sequence could not be moved; the cache is made anew");
                self.cache_is_lost = true;
                return self.replace_lost_cache();
            }
        }
    }

    /// Gives waiting requests the free slots of the cache, changing its shape where that helps.
    fn admit(&mut self) -> Result<()> {
        let mut last = None;
        while self.policy.has_waiting()
            && let Some(admission) = self.policy.admit(&self.view(), last)
        {
            match admission {
                Admission::Slot(slot) => {
                    self.activate_next(slot);
                    last = Some(slot);
                }
                Admission::Reshape(shape) => {
                    self.reshape(shape)?;
                    last = None;
                }
            }
        }
        Ok(())
    }

    /// Makes the waiting request that is next a sequence.
    fn activate_next(&mut self, slot: usize) {
        let Some((job, admission_number)) = self.policy.take_next() else { return };
        self.statistics.waiting_requests.subtract(1);
        self.statistics.active_sequences.add(1);
        let mut sequence = self.new_sequence(job);
        (sequence.slot, sequence.admission_number) = (slot as u32, admission_number);
        let position = self.active.partition_point(|other| other.slot < sequence.slot);
        self.active.insert(position, sequence);
    }

    fn new_sequence(&self, job: DecodeJob) -> Sequence<'a> {
        Sequence::new(job, self.options.limits.cache.sequence_tokens as usize, self.tokenizer)
    }

    /// Makes the cache anew. Active sequences get other slots and are computed again.
    fn reshape(&mut self, shape: CacheShape) -> Result<()> {
        self.cache.make(shape)?;
        let slots = self.policy.slots_in_new_cache(&self.view());
        for (sequence, slot) in self.active.iter_mut().zip(slots) {
            sequence.slot = slot as u32;
            sequence.restart();
        }
        self.active.sort_by_key(|sequence| sequence.slot);
        Ok(())
    }

    /// Makes the cache small again; called while nothing uses it.
    pub(super) fn give_back_memory(&mut self) {
        let smallest = self.policy.smallest_shape();
        if self.cache.shape().is_some_and(|shape| shape != smallest)
            && let Err(error) = self.cache.make(smallest)
        {
            tracing::warn!(%error, model = self.options.name, "the cache could not be made small");
        }
    }

    /// Decodes for each adapter stack in the batch.
    fn decode_groups(&mut self) {
        let groups = self.policy.groups(&self.view(), self.cache.loaded());
        let stacks: Vec<_> = groups.into_iter().map(|index| Arc::clone(&self.active[index].stack)).collect();
        for stack in stacks {
            if self.signals.is_closing() {
                return;
            }
            if let Err(error) = self.decode_group(&stack) {
                self.fail_group(&stack, &error);
            }
        }
    }

    fn decode_group(&mut self, stack: &ActiveStack) -> Result<()> {
        // In batches of their own, because llama.cpp gives neighbours in one batch equally many tokens at a time.
        let tokens = self.policy.next_tokens(&self.view(), &stack.key);
        self.decode(stack, &tokens)?;
        let prompts = self.policy.next_prompts(&self.view(), &stack.key);
        self.decode(stack, &prompts)
    }

    /// Computes tokens, and gives each sequence the logits of its own.
    fn decode(&mut self, stack: &ActiveStack, shares: &[Share]) -> Result<()> {
        if shares.is_empty() {
            return Ok(());
        }
        self.batch.clear();
        for share in shares {
            self.active[share.index].feed(share.count, &mut self.batch)?;
        }
        let context = self.cache.decode(&self.batch, stack)?;
        let mut finished = Vec::new();
        let mut row = 0;
        for &Share { index, count } in shares {
            let sequence = &mut self.active[index];
            let first = sequence.cached();
            sequence.advance(count, self.statistics);
            let mut outcome = Ok(false);
            for offset in 0..count {
                if sequence.wanted_logits().contains(&(first + offset)) {
                    let logits = context.logits(row + offset)?;
                    outcome = sequence.take_logits(first + offset, logits, self.statistics);
                }
            }
            row += count;
            match outcome {
                Ok(false) => {}
                Ok(true) => finished.push((index, Ending::Done)),
                Err(error) => finished.push((index, Ending::Failed(error))),
            }
        }
        // From the back, so that the indices of the others stay valid.
        for (index, ending) in finished.into_iter().rev() {
            self.retire(index, ending);
        }
        self.replace_lost_cache();
        Ok(())
    }

    /// Takes a sequence out of the batch and answers it. Whoever retires some replaces the cache afterwards if it is lost
    /// then, because that changes the order of the others.
    fn retire(&mut self, index: usize, ending: Ending) {
        let sequence = self.active.remove(index);
        self.statistics.active_sequences.subtract(1);
        if let Err(error) = self.cache.clear_slot(sequence.slot) {
            tracing::error!(%error, "a sequence could not be removed; the cache is made anew");
            self.cache_is_lost = true;
        }
        sequence.finish(ending, self.statistics);
    }

    /// Answers a request that gets no slot.
    fn finish_waiting(&self, job: DecodeJob, ending: Ending) {
        self.statistics.waiting_requests.subtract(1);
        self.new_sequence(job).finish(ending, self.statistics);
    }

    fn fail_group(&mut self, stack: &ActiveStack, error: &Error) {
        // Whoever closed the engine or cancelled the decode knows of it already.
        if !matches!(error, Error::Cancelled) {
            tracing::error!(%error, model = self.options.name, "a decode failed");
        }
        for index in (0..self.active.len()).rev() {
            if self.active[index].stack.key == stack.key {
                self.retire(index, Ending::failed(error));
            }
        }
        self.cache_is_lost = true;
        self.replace_lost_cache();
    }

    /// Makes a new cache for what is active, if what the present one holds is unknown.
    fn replace_lost_cache(&mut self) {
        if !std::mem::take(&mut self.cache_is_lost) {
            return;
        }
        self.cache.release();
        for sequence in &mut self.active {
            sequence.restart();
        }
        if !self.active.is_empty()
            && let Err(error) = self.reshape(self.policy.shape_for_active(&self.view()))
        {
            self.fail_active(&error);
        }
    }

    /// Ends everything that is active.
    fn fail_active(&mut self, error: &Error) {
        for index in (0..self.active.len()).rev() {
            self.retire(index, Ending::failed(error));
        }
        if std::mem::take(&mut self.cache_is_lost) {
            self.cache.release();
        }
    }

    fn fail_all(&mut self, error: &Error) {
        while let Some((job, _)) = self.policy.take_next() {
            self.finish_waiting(job, Ending::failed(error));
        }
        self.fail_active(error);
    }

    /// Ends every request with [`Error::Cancelled`], and gives all memory back.
    pub(super) fn refuse_all(&mut self) {
        self.fail_all(&Error::Cancelled);
        self.cache.release();
    }
}
