//! One decode thread a model, in whose batch all requests meet.
//!
//! The thread owns the model's contexts. Sequences join and leave the batch between decodes. Those with different adapters
//! decode in groups, one after another, because adapters are set on a whole context. A prompt that is longer than a
//! batch is fed in parts, so that answers in progress do not wait for all of it. Requests of different clients are
//! admitted in turn. Background work is done while no model has anything else to do; a request breaks it off.
//!
//! [`Scheduler`] hands jobs to the loop in `decode_loop`, which drives a `decoder` and an `embedder`; who is next is
//! decided in `policy`.

mod decode_loop;
mod decoder;
mod embedder;
mod ending;
mod job;
mod options;
mod policy;
mod sequence;
mod signals;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use hyprstream_models::{LlamaModel, Tokenizer};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::statistics::Statistics;
use signals::Signals;

pub(crate) use embedder::normalise;
pub(crate) use job::{
    ActiveStack, DecodeJob, EmbedJob, Event, Finished, GenerateTask, Job, Recording, ScoreTask, Task,
};
pub(crate) use options::DecodeOptions;
pub(crate) use policy::Limits;
pub(crate) use policy::cache_shape::CacheLimits;
pub(crate) use policy::shares::BatchSpace;

/// A handle on a model's decode thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Scheduler {
    jobs: Sender<Job>,
    signals: Arc<Signals>,
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
        let signals = Arc::new(Signals::default());
        let thread = thread::Builder::new()
            .name(format!("decode-{}", options.name))
            .spawn({
                let signals = Arc::clone(&signals);
                move || decode_loop::run(&model, &tokenizer, &options, &receiver, &signals, &statistics)
            })
            .map_err(|error| Error::Resource(format!("cannot start a decode thread: {error}")))?;
        Ok(Self { jobs, signals, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a request to the thread. After [`Self::close`] it is an error.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        let is_background = job.is_background();
        self.jobs.send(job).map_err(|_| Error::Cancelled)?;
        if !is_background {
            self.signals.background.raise();
        }
        Ok(())
    }

    /// Ends the decode in progress, or else the next one of the present context.
    pub(crate) fn abort_decode(&self) {
        self.signals.decode.raise();
    }

    /// Ends every request with [`Error::Cancelled`] and waits for the thread.
    pub(crate) fn close(&self) {
        self.signals.close();
        self.abort_decode();
        // An error means that the thread is gone already.
        let _ = self.jobs.send(Job::Close);
        self.signals.background.raise();
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
