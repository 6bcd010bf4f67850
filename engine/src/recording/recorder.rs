//! The thread that writes recorded answers, and readers that see what it has not written yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyprstream_storage::{TrajectoryLog, TrajectoryRecord, WriteTransaction};
use parking_lot::Mutex;

use crate::adapters::store::AdapterStore;
use crate::error::{Error, Result};
use crate::recording::format;
use crate::recording::log_end::put_reached;
use crate::recording::ring::{Record, RecordSender};
use crate::statistics::Statistics;
use crate::stored_number::stored_number;

const RESERVED_KEY: &[u8] = b"trajectory/reserved";
const RESERVED_BLOCK: u64 = 1 << 16;
/// Records are gathered for this long before they are synced, so that a burst costs few syncs.
const GATHER: Duration = Duration::from_millis(200);
const SHORTEST_RETRY: Duration = Duration::from_millis(500);

/// The writer thread, the ring that leads to it, and the numbers of trajectories.
#[derive(Debug)]
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    sender: RecordSender,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    log: Arc<TrajectoryLog>,
    store: AdapterStore,
    ring: Mutex<Ring>,
    /// The next trajectory's number. Numbers rise across restarts, because a block of them is reserved on the disk before
    /// the first is handed out.
    next_id: AtomicU64,
    /// The first number that is not reserved.
    reserved: AtomicU64,
    closing: AtomicBool,
    statistics: Arc<Statistics>,
}

#[derive(Debug)]
struct Ring {
    receiver: Receiver<Record>,
    /// Encoded, but not yet accepted by the log.
    pending: Vec<TrajectoryRecord>,
    unsynced: bool,
}

impl Recorder {
    pub(crate) fn try_new(
        log: TrajectoryLog,
        store: AdapterStore,
        capacity: usize,
        statistics: Arc<Statistics>,
    ) -> Result<Self> {
        let reserved = match store.snapshot().metadata(RESERVED_KEY)? {
            Some(bytes) => stored_number(&bytes, "the first number that no trajectory can have yet")?,
            None => 1,
        };
        let next = reserved.max(log.last_id().map_or(1, |id| id + 1));
        // What a process before this one wrote and did not sync is not yet durable.
        log.flush()?;
        store.write(|transaction| {
            put_reached(transaction, log.end())?;
            put_reserved(transaction, next + RESERVED_BLOCK)
        })?;
        let (ring, receiver) = sync_channel(capacity.max(1));
        let shared = Arc::new(Shared {
            log: Arc::new(log),
            store,
            ring: Mutex::new(Ring { receiver, pending: Vec::new(), unsynced: false }),
            next_id: AtomicU64::new(next),
            reserved: AtomicU64::new(next + RESERVED_BLOCK),
            closing: AtomicBool::new(false),
            statistics: Arc::clone(&statistics),
        });
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })
            .map_err(|error| Error::Resource(format!("cannot start the recorder's thread: {error}")))?;
        let sender = RecordSender::new(ring, thread.thread().clone(), statistics);
        Ok(Self { shared, sender, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn sender(&self) -> RecordSender {
        self.sender.clone()
    }

    pub(crate) fn allocate_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The log, with everything in it that was handed over before this call.
    pub(crate) fn caught_up(&self) -> Result<&Arc<TrajectoryLog>> {
        self.shared.drain()?;
        Ok(&self.shared.log)
    }

    /// The log, without what is still in the ring.
    pub(crate) fn log(&self) -> &Arc<TrajectoryLog> {
        &self.shared.log
    }

    /// Keeps the ring from being drained until the guard is dropped.
    #[cfg(test)]
    pub(crate) fn stall(&self) -> impl Drop + '_ {
        self.shared.ring.lock()
    }

    /// Writes and syncs what is pending and ends the thread.
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.closing.store(true, Ordering::Release);
        if let Some(thread) = self.thread.lock().take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                return Err(Error::Internal("the recorder's thread panicked".to_owned()));
            }
        }
        self.shared.drain()?;
        self.shared.sync()?;
        self.shared.store.write(|transaction| put_reached(transaction, self.shared.log.end()))
    }
}

impl Shared {
    fn run(&self) {
        while !self.closing.load(Ordering::Acquire) {
            thread::park();
            while !self.closing.load(Ordering::Acquire) {
                pause(GATHER, &self.closing);
                match self.drain().and_then(|()| self.sync()).and_then(|()| self.reserve()) {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::error!(%error, "recorded answers are not on the disk yet");
                        pause(SHORTEST_RETRY, &self.closing);
                        continue;
                    }
                }
                let ring = self.ring.lock();
                if ring.pending.is_empty() && !ring.unsynced {
                    break;
                }
            }
        }
    }

    /// Moves what is in the ring into the log.
    fn drain(&self) -> Result<()> {
        let mut ring = self.ring.lock();
        while let Ok(Record { header, outcome }) = ring.receiver.try_recv() {
            match format::encode(&header, &outcome) {
                Ok(payload) => {
                    let time_ms = (header.created_at / 1000).unsigned_abs();
                    ring.pending.push(TrajectoryRecord { id: header.id, time_ms, payload });
                }
                Err(error) => {
                    self.statistics.unwritten_trajectories.add(1);
                    tracing::error!(%error, id = header.id, "an answer cannot be recorded");
                }
            }
        }
        if !ring.pending.is_empty() {
            self.log.append(&ring.pending)?;
            ring.pending.clear();
            ring.unsynced = true;
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if std::mem::take(&mut self.ring.lock().unsynced)
            && let Err(error) = self.log.flush()
        {
            self.ring.lock().unsynced = true;
            return Err(error.into());
        }
        Ok(())
    }

    fn reserve(&self) -> Result<()> {
        let next = self.next_id.load(Ordering::Relaxed);
        if next + RESERVED_BLOCK / 2 > self.reserved.load(Ordering::Relaxed) {
            self.store.write(|transaction| put_reserved(transaction, next + RESERVED_BLOCK))?;
            self.reserved.store(next + RESERVED_BLOCK, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// No trajectory gets a number from `reserved` on before this was called again.
fn put_reserved(transaction: &mut WriteTransaction<'_>, reserved: u64) -> Result<()> {
    Ok(transaction.put_metadata(RESERVED_KEY, &reserved.to_le_bytes())?)
}

/// Sleeps unless the recorder closes, however often the thread is woken.
fn pause(duration: Duration, closing: &AtomicBool) {
    let until = Instant::now() + duration;
    while !closing.load(Ordering::Acquire) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}
