//! Which tables have grown, for the thread that merges parts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// With fewer parts than this a table is not looked at.
const FEW_PARTS: usize = 8;

/// Inserts that come one after the other are merged together.
const GATHERING: Duration = Duration::from_millis(100);

/// The names of tables that may have parts to merge, each once.
#[derive(Debug, Default)]
pub(crate) struct MergeQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    tables: BTreeSet<String>,
    is_stopped: bool,
}

impl MergeQueue {
    /// Notes that a table has this many parts now.
    pub(super) fn grown(&self, table: &str, parts: usize) {
        if parts < FEW_PARTS {
            return;
        }
        let mut waiting = self.waiting.lock();
        if !waiting.tables.contains(table) {
            waiting.tables.insert(table.to_owned());
            self.changed.notify_all();
        }
    }

    /// Waits for a table, and a moment longer for what comes right after. `None` once it is stopped.
    pub(super) fn next(&self) -> Option<String> {
        let mut waiting = self.waiting.lock();
        while waiting.tables.is_empty() && !waiting.is_stopped {
            self.changed.wait(&mut waiting);
        }
        let until = Instant::now() + GATHERING;
        while !waiting.is_stopped && !self.changed.wait_until(&mut waiting, until).timed_out() {}
        if waiting.is_stopped { None } else { waiting.tables.pop_first() }
    }

    /// Nothing waits from now on.
    pub(super) fn stop(&self) {
        self.waiting.lock().is_stopped = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.waiting.lock().is_stopped
    }
}
