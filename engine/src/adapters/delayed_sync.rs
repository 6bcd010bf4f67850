//! Writes that are visible at once become durable a moment later, on a thread of their own.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};

/// Writes are gathered for this long, so that many of them cost one sync.
const GATHER: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(500);

/// Whether there is something to sync. Shared by those that write and the thread that syncs.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    something: bool,
    closed: bool,
}

impl Unsynced {
    /// Something was written that is not durable yet.
    pub(super) fn note(&self) {
        self.state.lock().something = true;
        self.changed.notify_all();
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until something was written and then for `gather`; false when no more is to be done.
    fn wait(&self, gather: Duration) -> bool {
        let mut state = self.state.lock();
        while !state.something && !state.closed {
            self.changed.wait(&mut state);
        }
        if !state.closed {
            self.changed.wait_while_for(&mut state, |state| !state.closed, gather);
        }
        state.something = false;
        !state.closed
    }
}

/// The thread that syncs. It ends when this is dropped; what was not synced by then is left to the store's closing.
#[derive(Debug)]
pub(crate) struct DelayedSync {
    unsynced: Arc<Unsynced>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl DelayedSync {
    pub(crate) fn start(
        unsynced: Arc<Unsynced>,
        sync: impl Fn() -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let thread = thread::Builder::new().name("store-sync".to_owned()).spawn({
            let unsynced = Arc::clone(&unsynced);
            move || {
                let mut gather = GATHER;
                while unsynced.wait(gather) {
                    gather = GATHER;
                    if let Err(error) = sync() {
                        tracing::error!(%error, "what was written last is not on the disk yet");
                        unsynced.note();
                        gather = RETRY;
                    }
                }
            }
        });
        let thread = thread
            .map_err(|error| Error::Resource(format!("cannot start the thread that syncs: {error}")))?;
        Ok(Self { unsynced, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.unsynced.close();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the store panicked");
        }
    }
}

impl Drop for DelayedSync {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use super::{DelayedSync, Unsynced};
    use crate::error::Error;

    #[test]
    fn what_was_written_is_synced_once_and_again_when_that_fails() {
        let (unsynced, syncs) = (Arc::new(Unsynced::default()), Arc::new(AtomicU64::new(0)));
        let delayed = DelayedSync::start(Arc::clone(&unsynced), {
            let syncs = Arc::clone(&syncs);
            move || match syncs.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Error::Resource("the disk is full".to_owned())),
                _ => Ok(()),
            }
        })
        .unwrap();
        (0..100).for_each(|_| unsynced.note());
        let began = Instant::now();
        while syncs.load(Ordering::Relaxed) < 2 {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        }
        delayed.stop();
        assert_eq!(syncs.load(Ordering::Relaxed), 2);
    }
}
