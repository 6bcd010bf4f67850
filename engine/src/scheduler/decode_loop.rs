//! The loop of a decode thread: take jobs, decode, embed, and work in the background while there is nothing else to do.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use hyprstream_models::{LlamaModel, Tokenizer};

use super::decoder::Decoder;
use super::embedder::Embedder;
use super::job::Job;
use super::options::DecodeOptions;
use super::policy::next_work::{NextWork, Work, next_work};
use super::signals::Signals;
use crate::statistics::Statistics;

/// A thread without work gives memory back after this time.
const IDLE: Duration = Duration::from_secs(10);
/// While another model answers, background work waits this long before it looks again.
const BACKGROUND_POLL: Duration = Duration::from_millis(20);

/// Serves a model until the signals or the end of the jobs say that it is closed, and then refuses what is left.
pub(super) fn run(
    model: &Arc<LlamaModel>,
    tokenizer: &Tokenizer,
    options: &DecodeOptions,
    jobs: &Receiver<Job>,
    signals: &Signals,
    statistics: &Statistics,
) {
    let mut decode_loop = DecodeLoop {
        jobs,
        signals,
        statistics,
        decoder: Decoder::new(model, tokenizer, options, signals, statistics),
        embedder: Embedder::new(model, options),
    };
    while !signals.is_closing() && decode_loop.step().is_continue() {}
    decode_loop.refuse_all();
}

/// In what the methods return, [`ControlFlow::Break`] means that the model is closed.
struct DecodeLoop<'a> {
    jobs: &'a Receiver<Job>,
    signals: &'a Signals,
    statistics: &'a Statistics,
    decoder: Decoder<'a>,
    embedder: Embedder,
}

impl DecodeLoop<'_> {
    fn step(&mut self) -> ControlFlow<()> {
        self.receive()?;
        self.decoder.step();
        self.embedder.work(self.statistics);
        self.work_in_background()
    }

    /// Whether this model has nothing to do but background work.
    fn is_idle(&self) -> bool {
        self.decoder.is_idle() && self.embedder.is_idle()
    }

    /// Whether any model answers, or is asked to.
    fn engine_is_busy(&self) -> bool {
        self.statistics.active_sequences.get() + self.statistics.waiting_requests.get() > 0
    }

    fn next_work(&self) -> NextWork {
        next_work(Work {
            is_asked: !self.is_idle(),
            has_background: self.embedder.has_background(),
            engine_answers: self.engine_is_busy(),
        })
    }

    /// Takes the jobs that have arrived; waits for one while there is nothing to do.
    fn receive(&mut self) -> ControlFlow<()> {
        let job = match self.next_work() {
            NextWork::Answer | NextWork::Background => None,
            NextWork::WaitForJob => Some(self.wait()?),
            NextWork::WaitForOthers => self.wait_at_most(BACKGROUND_POLL)?,
        };
        if let Some(job) = job {
            self.take(job)?;
        }
        self.take_arrived()
    }

    /// Waits for a job; gives memory back when none comes for a while.
    fn wait(&mut self) -> ControlFlow<(), Job> {
        if let Some(job) = self.wait_at_most(IDLE)? {
            return ControlFlow::Continue(job);
        }
        self.embedder.give_back_memory();
        self.decoder.give_back_memory();
        match self.jobs.recv() {
            Ok(job) => ControlFlow::Continue(job),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn wait_at_most(&self, timeout: Duration) -> ControlFlow<(), Option<Job>> {
        match self.jobs.recv_timeout(timeout) {
            Ok(job) => ControlFlow::Continue(Some(job)),
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(None),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
        }
    }

    fn take_arrived(&mut self) -> ControlFlow<()> {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.take(job)?,
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
        }
    }

    fn take(&mut self, job: Job) -> ControlFlow<()> {
        match job {
            Job::Decode(job) => self.decoder.push(job),
            Job::Embed(job) => self.embedder.push(job),
            Job::Close => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// One small batch of background work, when no model has anything else to do.
    fn work_in_background(&mut self) -> ControlFlow<()> {
        if self.next_work() != NextWork::Background {
            return ControlFlow::Continue(());
        }
        let Some(flag) = self.embedder.prepare_background(self.statistics) else {
            return ControlFlow::Continue(());
        };
        self.signals.background.publish(flag);
        // A job that arrived before the flag was published did not set it.
        let flow = self.take_arrived();
        if flow.is_continue() && self.is_idle() {
            self.embedder.work_in_background(self.statistics);
        }
        self.signals.background.withdraw();
        flow
    }

    /// Answers whatever was asked, because nobody may wait for ever.
    fn refuse_all(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            // A second order to close changes nothing.
            let _ = self.take(job);
        }
        self.decoder.refuse_all();
        self.embedder.refuse_all();
    }
}
