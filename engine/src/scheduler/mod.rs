//! One decode thread a model: every request of every door meets in its batch.
//!
//! The thread owns the model's contexts. Sequences join and leave between decodes; prompts are fed in chunks so
//! that a long one does not stall those that stream. Sequences with different adapter stacks decode in groups,
//! one decode a group, because adapters are set per context. Requests of different clients are admitted in turn.

mod cache_shape;
mod decode_loop;
mod embedder;
mod job;
mod queue;
mod sequence;
mod slots;
mod stop_text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use hyprstream_models::{LlamaModel, Tokenizer};
use parking_lot::Mutex;

use crate::errors::{Error, Result};
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
        let abort = Arc::new(Mutex::new(None));
        let name = format!("decode-{}", options.name);
        let thread = thread::Builder::new()
            .name(name)
            .spawn({
                let (closing, abort) = (Arc::clone(&closing), Arc::clone(&abort));
                move || {
                    let signals = Signals {
                        closing: &closing,
                        abort: &abort,
                    };
                    decode_loop::run(&model, &tokenizer, options, &receiver, signals, &statistics);
                }
            })
            .map_err(|error| Error::Resource(format!("cannot start a decode thread: {error}")))?;
        Ok(Self {
            jobs,
            closing,
            abort,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands a request to the thread. After [`Self::close`] it is an error.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::Cancelled)
    }

    /// Ends the decode in progress, or else the next one of the present context.
    pub(crate) fn abort_decode(&self) {
        if let Some(abort) = self.abort.lock().as_ref() {
            abort.store(true, Ordering::Release);
        }
    }

    /// Ends every request with [`Error::Cancelled`] and waits for the thread.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.abort_decode();
        // An error means that the thread is gone already.
        let _ = self.jobs.send(Job::Close);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("a decode thread panicked");
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.close();
    }
}
