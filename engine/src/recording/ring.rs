//! The ring between the decode threads and the writer.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::Thread;
use std::time::Instant;

use crate::recording::trajectory::{Header, Outcome};
use crate::statistics::Statistics;

/// One entry of the ring.
#[derive(Debug)]
pub(crate) struct Record {
    pub(super) header: Header,
    pub(super) outcome: Outcome,
}

/// The decode thread's end of the ring.
#[derive(Debug, Clone)]
pub(crate) struct RecordSender {
    ring: SyncSender<Record>,
    writer: Thread,
    statistics: Arc<Statistics>,
}

impl RecordSender {
    pub(super) fn new(ring: SyncSender<Record>, writer: Thread, statistics: Arc<Statistics>) -> Self {
        Self { ring, writer, statistics }
    }

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
