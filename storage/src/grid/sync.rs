//! Group commit: callers that wait for the write-ahead log share its syncs.

use parking_lot::{Condvar, Mutex};

use crate::error::Result;

/// Who waits for which record, and who syncs for all.
#[derive(Debug, Default)]
pub(crate) struct GroupSync {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Highest ticket whose record was appended, and that record's number.
    appended: (u64, u64),
    /// Highest ticket that is durable, and how many records of the log are.
    durable: (u64, u64),
    /// Tickets up to this one that are not durable failed.
    failed: u64,
    syncing: bool,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is durable.
    Durable,
    /// The sync that should have made it durable failed in another caller's hands.
    Failed,
    /// This caller must sync.
    Lead,
}

impl GroupSync {
    pub(crate) fn appended(&self, ticket: u64, record: u64) {
        self.progress.lock().appended = (ticket, record);
    }

    /// Everything up to this ticket is durable by way of a superblock, and the log begins anew.
    pub(crate) fn checkpointed(&self, ticket: u64) {
        let mut progress = self.progress.lock();
        progress.appended = (ticket, 0);
        progress.durable = (ticket, 0);
        drop(progress);
        self.changed.notify_all();
    }

    /// Records of the log that are known durable.
    pub(crate) fn durable_records(&self) -> u64 {
        self.progress.lock().durable.1
    }

    /// Waits until the ticket is durable or failed, or until this caller is the one to sync.
    pub(crate) fn wait(&self, ticket: u64) -> Outcome {
        let mut progress = self.progress.lock();
        loop {
            if progress.durable.0 >= ticket {
                return Outcome::Durable;
            }
            if progress.failed >= ticket {
                return Outcome::Failed;
            }
            if !progress.syncing {
                progress.syncing = true;
                return Outcome::Lead;
            }
            self.changed.wait(&mut progress);
        }
    }

    /// The leader's work: syncs everything appended so far.
    pub(crate) fn lead(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let target = self.progress.lock().appended;
        let done = sync();
        let mut progress = self.progress.lock();
        if done.is_ok() {
            if target.0 > progress.durable.0 {
                progress.durable = target;
            }
            progress.syncing = false;
        }
        drop(progress);
        self.changed.notify_all();
        done
    }

    /// After a failed sync was dealt with: the tickets so far that are not durable are lost.
    pub(crate) fn failed(&self) {
        let mut progress = self.progress.lock();
        progress.failed = progress.appended.0;
        progress.syncing = false;
        drop(progress);
        self.changed.notify_all();
    }
}
