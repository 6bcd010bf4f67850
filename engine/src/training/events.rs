//! A run in progress, as a stream of what it reports.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::error::Result;
use crate::training::rows::TrainingStepRow;

/// What a run reports as it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingEvent {
    /// The data was accepted and the first step begins.
    Started {
        /// The run's number.
        run_id: u64,
        /// Steps planned.
        total_steps: u64,
        /// Examples it trains on.
        examples: u64,
        /// Rows left out because of NULL.
        skipped: u64,
    },
    /// A step was made.
    Step(TrainingStepRow),
    /// A sentence about progress and the time left, about once a second.
    Progress(String),
    /// The new version answers from now on; the last event of a run.
    Published {
        /// The adapter.
        name: String,
        /// Its new version.
        version: u64,
    },
}

/// A run in progress. Dropping it cancels the run within one step; nothing is published then.
#[derive(Debug)]
pub struct TrainingRun {
    pub(super) run_id: u64,
    pub(super) events: mpsc::UnboundedReceiver<Result<TrainingEvent>>,
    pub(super) cancel: Arc<AtomicBool>,
}

impl TrainingRun {
    /// The run's number.
    pub fn run_id(&self) -> u64 {
        self.run_id
    }
}

impl Stream for TrainingRun {
    type Item = Result<TrainingEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}

impl Drop for TrainingRun {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}
