//! Recorded answers: from the decode thread through a ring to the trajectory log.
//!
//! The decode thread collects a request's tokens beside it and hands them over once, when the request ends:
//! a push into a bounded lock-free ring. When the ring is full the trajectory is dropped and counted. A writer
//! thread drains the ring, appends to the log and syncs it at least once a second.

mod format;
mod rows;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::Thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::statistics::Statistics;

pub(crate) use format::decode;
pub(crate) use writer::Recorder;

/// What is known of a recorded request before its first token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(skip)]
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) session: Option<String>,
    pub(crate) model: String,
    pub(crate) model_hash: String,
    pub(crate) adapter: Option<String>,
    pub(crate) parameters: String,
    pub(crate) prompt: String,
    pub(crate) prompt_tokens: u32,
    pub(crate) provenance: String,
}

/// What is known at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) completion: String,
    pub(crate) finish_reason: String,
    pub(crate) time_to_first_token_ms: f64,
    pub(crate) total_ms: f64,
    #[serde(skip)]
    pub(crate) token_ids: Vec<u32>,
    #[serde(skip)]
    pub(crate) logprobs: Vec<f32>,
}

/// One entry of the ring.
#[derive(Debug)]
pub(crate) struct Record {
    header: Header,
    outcome: Outcome,
}

/// The decode thread's end of the ring.
#[derive(Debug, Clone)]
pub(crate) struct RecordSender {
    ring: SyncSender<Record>,
    writer: Thread,
    statistics: Arc<Statistics>,
}

impl RecordSender {
    /// Hands a trajectory over, or drops and counts it when the ring is full. Never waits.
    pub(crate) fn push(&self, header: Header, outcome: Outcome) {
        let began = Instant::now();
        let tokens = outcome.token_ids.len() as u64;
        match self.ring.try_send(Record { header, outcome }) {
            Ok(()) => {
                self.writer.unpark();
                self.statistics.recorded_trajectories.add(1);
                self.statistics.recorded_tokens.add(tokens);
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.statistics.dropped_records.add(1);
                self.statistics.dropped_tokens.add(tokens);
            }
        }
        self.statistics.recording_ns.add(began.elapsed().as_nanos() as u64);
    }
}

/// Numbers for trajectories, rising across restarts: a block is reserved on the disk before it is handed out.
#[derive(Debug)]
pub(crate) struct TrajectoryIds {
    next: AtomicU64,
}

impl TrajectoryIds {
    pub(crate) fn allocate(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
