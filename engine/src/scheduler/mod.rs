//! One decode thread a model: every request of every door meets in its batch.
//!
//! The thread owns the model's contexts. Sequences join and leave between decodes; prompts are fed in chunks so
//! that a long one does not stall those that stream. Sequences with different adapter stacks decode in groups,
//! one decode a group, because adapters are set per context. Requests of different clients are admitted in turn.
//! What nobody waits for is computed while no model has anything else to do, and broken off when a request arrives.

mod cache_shape;
mod decode_loop;
mod embedder;
mod job;
mod queue;
mod sequence;
mod slots;
mod stop_text;
mod text_queue;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use hyprstream_models::{LlamaModel, Tokenizer};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::statistics::Statistics;

pub(crate) use cache_shape::CacheLimits;
pub(crate) use decode_loop::DecodeOptions;
use decode_loop::Signals;
pub(crate) use embedder::normalise;
pub(crate) use job::{ActiveStack, EmbedJob, Event, Finished, GenerateJob, Job, Recording, ScoreJob};

/// A handle on a model's decode thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Scheduler {
    jobs: Sender<Job>,
    /// Ends the decode in progress.
    closing: Arc<AtomicBool>,
    abort: Arc<Mutex<Option<Arc<AtomicBool>>>>,
    /// Breaks off what nobody waits for.
    interrupt: Arc<Mutex<Option<Arc<AtomicBool>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Scheduler {
    pub(crate) fn start(
        model: Arc<LlamaModel>,
        tokenizer: Arc<Tokenizer>,
        options: DecodeOptions,
        statistics: Arc<Statistics>,
    ) -> Result<Self> {
        let (jobs, receiver) = channel();
        let closing = Arc::new(AtomicBool::new(false));
        let (abort, interrupt) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let name = format!("decode-{}", options.name);
        let thread = thread::Builder::new()
            .name(name)
            .spawn({
                let (closing, abort, interrupt) =
                    (Arc::clone(&closing), Arc::clone(&abort), Arc::clone(&interrupt));
                move || {
                    let signals = Signals { closing: &closing, abort: &abort, interrupt: &interrupt };
                    decode_loop::run(&model, &tokenizer, options, &receiver, signals, &statistics);
                }
            })
            .map_err(|error| Error::Resource(format!("cannot start a decode thread: {error}")))?;
        Ok(Self { jobs, closing, abort, interrupt, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a request to the thread. After [`Self::close`] it is an error.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        let goes_first = !job.is_background();
        self.jobs.send(job).map_err(|_| Error::Cancelled)?;
        if goes_first {
            set(&self.interrupt);
        }
        Ok(())
    }

    /// Ends the decode in progress, or else the next one of the present context.
    pub(crate) fn abort_decode(&self) {
        set(&self.abort);
    }

    /// Ends every request with [`Error::Cancelled`] and waits for the thread.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.abort_decode();
        // An error means that the thread is gone already.
        let _ = self.jobs.send(Job::Close);
        set(&self.interrupt);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("a decode thread panicked");
        }
    }
}

fn set(published: &Mutex<Option<Arc<AtomicBool>>>) {
    if let Some(flag) = published.lock().as_ref() {
        flag.store(true, Ordering::Release);
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.close();
    }
}
