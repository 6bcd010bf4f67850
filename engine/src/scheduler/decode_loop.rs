//! The decode thread: admit, feed, sample, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use hyprstream_models::{Batch, CacheType, ContextOptions, LlamaContext, LlamaModel, Pooling, Tokenizer};
use parking_lot::Mutex;

use super::cache_shape::{CacheLimits, CacheShape};
use super::embedder::Embedder;
use super::job::{ActiveStack, Job, StackKey};
use super::queue::FairQueue;
use super::sequence::{Ending, Sequence};
use super::slots;
use super::waiting::Waiting;
use crate::errors::{Error, Result};
use crate::statistics::Statistics;

/// A cache that served a burst is given back after this long without work.
const IDLE: Duration = Duration::from_secs(10);
/// How often a thread with nothing else to do than what nobody waits for looks whether the other models still answer.
const YIELD: Duration = Duration::from_millis(20);
/// Logits of one decode take at most this much memory.
const LOGIT_BYTES: usize = 64 << 20;
/// Moving a token of the cache reads and writes it twice.
const MOVED_TIMES: u64 = 4;
/// A sequence is moved through at most this much memory.
const MOVING_BYTES: u64 = 64 << 20;
/// Requests of scoring and embedding, which name no client.
const NO_CLIENT: u64 = u64::MAX;

/// How a model's decode thread works.
#[derive(Debug, Clone)]
pub(crate) struct DecodeOptions {
    pub(crate) name: String,
    pub(crate) limits: CacheLimits,
    pub(crate) threads: u32,
    /// Tokens of one decode.
    pub(crate) chunk: u32,
    pub(crate) cache_type: CacheType,
    /// Bytes of the cache that a token takes.
    pub(crate) token_bytes: u64,
    pub(crate) flash_attention: bool,
}

/// How the thread is told to end or to break off: a flag for its loop, and where it publishes the flags of the contexts
/// that it decodes with.
#[derive(Clone, Copy)]
pub(super) struct Signals<'a> {
    pub(super) closing: &'a AtomicBool,
    pub(super) abort: &'a Mutex<Option<Arc<AtomicBool>>>,
    /// Published while it computes what nobody waits for.
    pub(super) interrupt: &'a Mutex<Option<Arc<AtomicBool>>>,
}

pub(super) fn run(
    model: &Arc<LlamaModel>,
    tokenizer: &Tokenizer,
    options: DecodeOptions,
    jobs: &Receiver<Job>,
    signals: Signals<'_>,
    statistics: &Statistics,
) {
    let embedder = Embedder::new(model, &options);
    let batch = Batch::new(options.chunk as usize);
    let logit_rows = (LOGIT_BYTES / (4 * model.config().vocab_size.max(1))).max(1);
    // A gap costs one more reading of the weights in each decode.
    let movable_bytes = (model.size() / MOVED_TIMES).min(MOVING_BYTES);
    let movable_tokens = (movable_bytes / options.token_bytes.max(1)) as usize;
    let mut decoder = Decoder {
        model,
        tokenizer,
        options,
        signals,
        statistics,
        context: None,
        shape: CacheShape { sequences: 0, stretch: 0 },
        current_stack: Vec::new(),
        waiting: FairQueue::default(),
        admitted: 0,
        active: Vec::new(),
        embedder,
        batch,
        logit_rows,
        movable_tokens,
    };
    decoder.serve(jobs);
    decoder.refuse_all(jobs);
}

struct Decoder<'a> {
    model: &'a Arc<LlamaModel>,
    tokenizer: &'a Tokenizer,
    options: DecodeOptions,
    signals: Signals<'a>,
    statistics: &'a Statistics,
    context: Option<LlamaContext>,
    shape: CacheShape,
    /// The adapters that the context has set.
    current_stack: StackKey,
    waiting: FairQueue<Waiting>,
    /// Sequences that have had a stretch of the cache.
    admitted: u64,
    /// In order of slot.
    active: Vec<Sequence<'a>>,
    embedder: Embedder,
    batch: Batch,
    logit_rows: usize,
    /// A sequence with more in the cache than this is not worth moving.
    movable_tokens: usize,
}

impl Decoder<'_> {
    fn serve(&mut self, jobs: &Receiver<Job>) {
        while !self.signals.closing.load(Ordering::Acquire) {
            if !self.receive(jobs) {
                return;
            }
            self.drop_abandoned();
            self.close_gaps();
            if let Err(error) = self.admit() {
                self.fail_waiting(&error);
            }
            self.decode_groups();
            self.embedder.work(self.statistics);
            if !self.work_in_background(jobs) {
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.active.is_empty() && self.waiting.is_empty() && self.embedder.is_idle()
    }

    /// Whether any model answers, or is asked to.
    fn engine_is_busy(&self) -> bool {
        self.statistics.active_sequences.get() + self.statistics.waiting_requests.get() > 0
    }

    /// One small step of what nobody waits for, when nothing else is to be done. Returns whether to go on.
    fn work_in_background(&mut self, jobs: &Receiver<Job>) -> bool {
        if !self.is_idle() || self.engine_is_busy() || !self.embedder.has_background() {
            return true;
        }
        let Some(flag) = self.embedder.prepare_background() else {
            return true;
        };
        *self.signals.interrupt.lock() = Some(flag);
        // A job that arrived before the flag was there did not set it.
        let goes_on = self.take_arrived(jobs);
        if goes_on && self.is_idle() {
            self.embedder.work_in_background();
        }
        *self.signals.interrupt.lock() = None;
        goes_on
    }

    /// Takes what has arrived, waiting when there is nothing to do. Returns whether to go on.
    fn receive(&mut self, jobs: &Receiver<Job>) -> bool {
        if self.is_idle() && self.embedder.has_background() {
            if self.engine_is_busy() {
                match jobs.recv_timeout(YIELD) {
                    Ok(job) => {
                        if !self.take(job) {
                            return false;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
        } else if self.is_idle() {
            let first = match jobs.recv_timeout(IDLE) {
                Ok(job) => Ok(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.give_back_memory();
                    jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
                }
                Err(disconnected) => Err(disconnected),
            };
            let Ok(job) = first else { return false };
            if !self.take(job) {
                return false;
            }
        }
        self.take_arrived(jobs)
    }

    /// Takes what has arrived. Returns whether to go on.
    fn take_arrived(&mut self, jobs: &Receiver<Job>) -> bool {
        loop {
            match jobs.try_recv() {
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
                Ok(job) => {
                    if !self.take(job) {
                        return false;
                    }
                }
            }
        }
    }

    /// Queues a job. Returns whether to go on.
    fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Generate(job) => {
                self.statistics.waiting_requests.add(1);
                self.waiting.push(job.client, Waiting::Generate(job));
            }
            Job::Score(job) => {
                self.statistics.waiting_requests.add(1);
                self.waiting.push(NO_CLIENT, Waiting::Score(job));
            }
            Job::Embed(job) => self.embedder.push(job),
            Job::Close => return false,
        }
        true
    }

    fn drop_abandoned(&mut self) {
        for waiting in self.waiting.remove_if(Waiting::is_abandoned) {
            self.statistics.waiting_requests.subtract(1);
            let need = waiting.need(&self.options.limits);
            waiting.into_sequence(need, self.tokenizer).finish(Ending::Abandoned, self.statistics);
        }
        let mut index = 0;
        while index < self.active.len() {
            if self.active[index].is_abandoned() {
                self.retire(index, Ending::Abandoned);
            } else {
                index += 1;
            }
        }
    }

    /// Moves sequences into the gaps that others left, so that those of a group are neighbours.
    ///
    /// llama.cpp computes only neighbours together, and reads the weights once more for each gap.
    fn close_gaps(&mut self) {
        let movable_tokens = self.movable_tokens;
        while let Some((from, to)) = slots::closing_move(&self.owners(), |slot| {
            let is_movable =
                |other: &Sequence<'_>| other.slot as usize == slot && other.cached <= movable_tokens;
            self.active.iter().any(is_movable)
        }) {
            let (from, to) = (from as u32, to as u32);
            let Some(sequence) = self.active.iter_mut().find(|sequence| sequence.slot == from) else {
                return;
            };
            sequence.slot = to;
            self.statistics.moved_sequences.add(1);
            if sequence.cached > 0
                && let Some(context) = &mut self.context
                && let Err(error) = context.move_sequence(from, to)
            {
                tracing::error!(%error, "a sequence could not be moved; the cache is made anew");
                return self.start_over();
            }
        }
        self.active.sort_by_key(|sequence| sequence.slot);
    }

    /// Gives waiting requests the free stretches of the cache, changing its shape where that helps.
    fn admit(&mut self) -> Result<()> {
        let mut last = None;
        while let Some(next) = self.waiting.peek() {
            let need = next.need(&self.options.limits);
            let stack = Arc::clone(next.stack());
            let fits = self.context.is_some() && need <= self.shape.stretch as usize;
            let slot = if let Some(slot) = self.place(&stack, last).filter(|_| fits) {
                slot
            } else {
                let Some(shape) = self.better_shape(need) else {
                    break;
                };
                self.reshape(shape)?;
                let Some(slot) = self.place(&stack, None) else {
                    break;
                };
                slot
            };
            let Some(next) = self.waiting.pop() else {
                break;
            };
            self.statistics.waiting_requests.subtract(1);
            self.statistics.active_sequences.add(1);
            self.admitted += 1;
            let mut sequence = next.into_sequence(need, self.tokenizer);
            (sequence.slot, sequence.turn) = (slot as u32, self.admitted);
            let position = self.active.partition_point(|other| other.slot < sequence.slot);
            self.active.insert(position, sequence);
            last = Some(slot);
        }
        Ok(())
    }

    /// The slots of the cache with the adapters that each is at work for.
    fn owners(&self) -> Vec<Option<&StackKey>> {
        let mut owners = vec![None; self.shape.sequences as usize];
        for sequence in &self.active {
            owners[sequence.slot as usize] = Some(&sequence.stack.key);
        }
        owners
    }

    fn place(&self, stack: &ActiveStack, last: Option<usize>) -> Option<usize> {
        slots::choose(&self.owners(), &&stack.key, last)
    }

    /// A shape with room for what is active and for a request of `need` tokens, if the cache does not have it now.
    fn better_shape(&self, need: usize) -> Option<CacheShape> {
        let longest = self.active.iter().map(|sequence| sequence.need).fold(need, usize::max);
        let shape = self.options.limits.shape_for(self.active.len() + self.waiting.len(), longest);
        let has_room = shape.sequences as usize > self.active.len();
        let gains = shape.stretch > self.shape.stretch && need > self.shape.stretch as usize
            || shape.sequences > self.shape.sequences;
        (has_room && (gains || self.context.is_none())).then_some(shape)
    }

    /// Makes the cache anew. Active sequences move to the first slots and are fed again.
    fn reshape(&mut self, shape: CacheShape) -> Result<()> {
        self.release_context();
        let options = ContextOptions {
            context_length: shape.sequences * shape.stretch,
            batch: self.options.chunk,
            micro_batch: self.options.chunk,
            max_sequences: shape.sequences,
            unified_kv: false,
            threads: self.options.threads,
            pooling: Pooling::None,
            kv_type: self.options.cache_type,
            flash_attention: self.options.flash_attention,
        };
        let context = LlamaContext::try_new(self.model, &options)?;
        *self.signals.abort.lock() = Some(context.abort_flag());
        self.context = Some(context);
        self.shape = shape;
        self.statistics.cache_reshapes.add(1);
        self.active.sort_by(|a, b| a.stack.key.cmp(&b.stack.key));
        for (slot, sequence) in (0..).zip(&mut self.active) {
            sequence.slot = slot;
            sequence.cached = 0;
        }
        Ok(())
    }

    fn release_context(&mut self) {
        *self.signals.abort.lock() = None;
        self.context = None;
        self.shape = CacheShape { sequences: 0, stretch: 0 };
        self.current_stack.clear();
    }

    fn give_back_memory(&mut self) {
        self.embedder.give_back_memory();
        let small = self.options.limits.shape_for(1, 1);
        if self.context.is_some() && self.shape != small {
            self.release_context();
            if let Err(error) = self.reshape(small) {
                tracing::warn!(%error, model = self.options.name, "the cache could not be made small");
            }
        }
    }

    /// One decode for each adapter stack in the batch.
    fn decode_groups(&mut self) {
        let mut stacks: Vec<Arc<ActiveStack>> = Vec::new();
        for sequence in &self.active {
            if !stacks.iter().any(|stack| stack.key == sequence.stack.key) {
                stacks.push(Arc::clone(&sequence.stack));
            }
        }
        // The stack that is set already goes first, which saves a switch.
        stacks.sort_by_key(|stack| stack.key != self.current_stack);
        for stack in stacks {
            if self.signals.closing.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = self.decode_group(&stack) {
                self.fail_group(&stack, &error);
            }
        }
    }

    /// Computes the next token of every sequence that streams, then what a batch holds of prompts: apart, because
    /// llama.cpp gives neighbours in one batch equally many tokens at a time.
    fn decode_group(&mut self, stack: &ActiveStack) -> Result<()> {
        let fed = self.feed_streams(stack)?;
        self.decode(stack, &fed)?;
        let fed = self.feed_prompts(stack)?;
        self.decode(stack, &fed)
    }

    /// Computes the batch, and gives each sequence the logits of what it was fed.
    fn decode(&mut self, stack: &ActiveStack, fed: &[Fed]) -> Result<()> {
        if fed.is_empty() {
            return Ok(());
        }
        let Some(context) = &mut self.context else {
            return Err(Error::Internal("sequences are active without a cache".to_owned()));
        };
        if self.current_stack != stack.key {
            context.set_adapters(&stack.adapters)?;
            self.current_stack.clone_from(&stack.key);
            self.statistics.adapter_switches.add(1);
        }
        context.decode(&self.batch)?;
        self.statistics.decodes.add(1);
        let mut finished = Vec::new();
        for &Fed { index, row, count } in fed {
            let sequence = &mut self.active[index];
            let first = sequence.cached;
            let mut outcome = Ok(false);
            for offset in 0..count {
                if sequence.wants_logits(first + offset) {
                    let logits = context.logits(row + offset)?;
                    outcome = sequence.take_logits(first + offset, logits, self.statistics);
                }
            }
            sequence.cached = first + count;
            match outcome {
                Ok(false) => {}
                Ok(true) => finished.push((index, Ending::Done)),
                Err(error) => finished.push((index, Ending::Failed(error))),
            }
        }
        // From the back, so that the earlier indices stay what they are.
        for (index, ending) in finished.into_iter().rev() {
            self.retire(index, ending);
        }
        Ok(())
    }

    /// Puts the next token of every sequence of the group that streams into the batch.
    fn feed_streams(&mut self, stack: &ActiveStack) -> Result<Vec<Fed>> {
        self.batch.clear();
        (0..self.active.len())
            .filter(|&index| {
                let sequence = &self.active[index];
                sequence.stack.key == stack.key && sequence.pending() == 1
            })
            .map(|index| self.active[index].feed(1, &mut self.batch).map(|row| Fed { index, row, count: 1 }))
            .collect()
    }

    /// Puts prompts of the group into the batch, in turn and whole: a part of one would be computed apart from the others.
    /// Only what is longer than a batch, or wants more logits than there is room for, is fed in parts.
    fn feed_prompts(&mut self, stack: &ActiveStack) -> Result<Vec<Fed>> {
        self.batch.clear();
        let mut waiting: Vec<usize> = (0..self.active.len())
            .filter(|&index| self.active[index].stack.key == stack.key && self.active[index].pending() > 1)
            .collect();
        waiting.sort_by_key(|&index| self.active[index].turn);
        let mut room = self.batch.capacity();
        let mut logit_room = self.logit_rows;
        let mut chosen = Vec::new();
        for index in waiting {
            let sequence = &self.active[index];
            let first = sequence.cached;
            let mut count = sequence.pending().min(room);
            let wanted =
                |count: usize| (first..first + count).filter(|&position| sequence.wants_logits(position));
            if let Some(beyond) = wanted(count).nth(logit_room) {
                count = beyond - first;
            }
            let is_whole = count == sequence.pending();
            if !is_whole && !chosen.is_empty() {
                break;
            }
            room -= count;
            logit_room -= wanted(count).count();
            chosen.push((index, count));
        }
        chosen.sort_unstable();
        self.statistics.prompt_tokens.add(chosen.iter().map(|&(_, count)| count as u64).sum());
        chosen
            .into_iter()
            .map(|(index, count)| {
                let row = self.active[index].feed(count, &mut self.batch)?;
                Ok(Fed { index, row, count })
            })
            .collect()
    }

    /// Takes a sequence out of the batch and answers it.
    fn retire(&mut self, index: usize, ending: Ending) {
        let sequence = self.active.remove(index);
        self.statistics.active_sequences.subtract(1);
        if let Some(context) = &mut self.context
            && let Err(error) = context.remove(sequence.slot)
        {
            tracing::error!(%error, "a sequence could not be removed; the cache is made anew");
            self.start_over();
        }
        sequence.finish(ending, self.statistics);
    }

    fn fail_group(&mut self, stack: &ActiveStack, error: &Error) {
        // Who closes the engine, or cancels what decodes, knows.
        if !matches!(error, Error::Cancelled) {
            tracing::error!(%error, model = self.options.name, "a decode failed");
        }
        for index in (0..self.active.len()).rev() {
            if self.active[index].stack.key == stack.key {
                self.retire(index, Ending::Failed(again(error)));
            }
        }
        self.start_over();
    }

    /// A new cache for what is active, because what the old one holds is unknown.
    fn start_over(&mut self) {
        for sequence in &mut self.active {
            sequence.cached = 0;
        }
        self.release_context();
        if !self.active.is_empty() {
            let longest = self.active.iter().map(|sequence| sequence.need).max().unwrap_or(1);
            let shape = self.options.limits.shape_for(self.active.len(), longest);
            if let Err(error) = self.reshape(shape) {
                for index in (0..self.active.len()).rev() {
                    self.retire(index, Ending::Failed(again(&error)));
                }
            }
        }
    }

    fn fail_waiting(&mut self, error: &Error) {
        while let Some(waiting) = self.waiting.pop() {
            self.statistics.waiting_requests.subtract(1);
            let need = waiting.need(&self.options.limits);
            waiting.into_sequence(need, self.tokenizer).finish(Ending::Failed(again(error)), self.statistics);
        }
        for index in (0..self.active.len()).rev() {
            self.retire(index, Ending::Failed(again(error)));
        }
    }

    /// The thread ends: nobody may wait for ever.
    fn refuse_all(&mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.try_recv() {
            self.take(job);
        }
        self.fail_waiting(&Error::Cancelled);
        self.embedder.refuse_all();
        self.release_context();
    }
}

/// A stretch of the batch: `count` tokens of a sequence from `row` on.
struct Fed {
    index: usize,
    row: usize,
    count: usize,
}

/// The same error for another request that it ended.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::Cancelled => Error::Cancelled,
        Error::Resource(reason) => Error::Resource(reason.clone()),
        Error::Internal(reason) => Error::Internal(reason.clone()),
        other => Error::Refused(other.to_string()),
    }
}
