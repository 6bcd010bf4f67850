//! What reaches the decode thread while it computes, when it does not look for jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// The signals of one decode thread.
#[derive(Debug, Default)]
pub(super) struct Signals {
    closing: AtomicBool,
    /// Ends the decode in progress, or else the next one of the present context.
    pub(super) decode: AbortSignal,
    /// Breaks off background work.
    pub(super) background: AbortSignal,
}

impl Signals {
    /// Has the thread end after the decode in progress.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Ends what the context computes whose abort flag is published.
#[derive(Debug, Default)]
pub(super) struct AbortSignal(Mutex<Option<Arc<AtomicBool>>>);

impl AbortSignal {
    /// From now on the signal sets this flag.
    pub(super) fn publish(&self, flag: Arc<AtomicBool>) {
        *self.0.lock() = Some(flag);
    }

    /// From now on the signal does nothing.
    pub(super) fn withdraw(&self) {
        *self.0.lock() = None;
    }

    pub(super) fn raise(&self) {
        if let Some(flag) = self.0.lock().as_ref() {
            flag.store(true, Ordering::Release);
        }
    }
}
