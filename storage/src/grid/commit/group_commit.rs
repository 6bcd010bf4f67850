//! Group commit: callers that wait for the write-ahead log share its syncs.
//!
//! A caller gets a ticket with its record, and one of those that wait syncs for all. The outcome of a ticket is
//! written beside it the moment it is known, so that nothing that happens before its caller wakes up changes it.
//! One sync at a time: the kernel reports a failure once, so that the second of two syncs would report success.

use std::collections::BTreeMap;

use parking_lot::{Condvar, Mutex};

use crate::error::Result;

/// Who waits for which record, and who syncs for all.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit<M = LockMonitor> {
    progress: M,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Rises whenever the log begins again.
    log: u64,
    /// How many records the log has, and how many of them are known durable.
    appended: u64,
    durable: u64,
    newest_ticket: u64,
    /// The tickets of callers that wait, and their outcomes once known.
    waiting: BTreeMap<u64, Option<Outcome>>,
    syncing: bool,
}

/// The outcome of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its record is durable, or a superblock with the same change is.
    Durable,
    /// The sync failed, and no opening will find the record.
    RolledBack,
    /// The sync failed, and so did voiding the record: the next opening may find it.
    Unknown,
}

/// A monitor: the progress behind a lock, and a signal for those that wait for a change of it.
pub(crate) trait Monitor {
    fn with<R>(&self, work: impl FnOnce(&mut Progress) -> R) -> R;
    fn notify_all(&self);
    /// Calls `ready` at once and after every signal, until it has an answer.
    fn wait_until<R>(&self, ready: impl FnMut(&mut Progress) -> Option<R>) -> R;
}

/// The monitor of a store.
#[derive(Debug, Default)]
pub(crate) struct LockMonitor {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Monitor for LockMonitor {
    fn with<R>(&self, work: impl FnOnce(&mut Progress) -> R) -> R {
        work(&mut self.progress.lock())
    }

    fn notify_all(&self) {
        self.changed.notify_all();
    }

    fn wait_until<R>(&self, mut ready: impl FnMut(&mut Progress) -> Option<R>) -> R {
        let mut progress = self.progress.lock();
        loop {
            if let Some(result) = ready(&mut progress) {
                return result;
            }
            self.changed.wait(&mut progress);
        }
    }
}

impl Progress {
    fn set_outcome(&mut self, upto: u64, outcome: Outcome) {
        for (_, undecided) in self.waiting.range_mut(..=upto).filter(|(_, outcome)| outcome.is_none()) {
            *undecided = Some(outcome);
        }
    }

    fn restart(&mut self, records: u64, outcome: Outcome) {
        self.log += 1;
        (self.appended, self.durable) = (records, records);
        self.set_outcome(u64::MAX, outcome);
    }
}

impl<M: Monitor> GroupCommit<M> {
    /// The log has so many records now. To be called while no other record can be appended.
    pub(crate) fn appended(&self, records: u64) {
        self.progress.with(|progress| progress.appended = records);
    }

    /// As [`Self::appended`], for a caller that will wait: a ticket of the newest record.
    pub(crate) fn ticket(&self, records: u64) -> u64 {
        self.progress.with(|progress| {
            progress.appended = records;
            progress.newest_ticket += 1;
            progress.waiting.insert(progress.newest_ticket, None);
            progress.newest_ticket
        })
    }

    /// A superblock made everything in the log durable, and the log begins again.
    pub(crate) fn log_restarted(&self) {
        self.progress.with(|progress| progress.restart(0, Outcome::Durable));
        self.progress.notify_all();
    }

    /// Records of the log that are known durable.
    pub(crate) fn durable(&self) -> u64 {
        self.progress.with(|progress| progress.durable)
    }

    /// A failed sync was rolled back: the log is left with so many records, all of them durable.
    pub(crate) fn rolled_back(&self, records: u64, outcome: Outcome) {
        self.progress.with(|progress| progress.restart(records, outcome));
        self.progress.notify_all();
    }

    /// Waits for the outcome of a ticket. One of those that wait calls `sync` for all and, when that
    /// fails, `roll_back`, which must leave no record that is not durable and end with [`Self::rolled_back`]. The
    /// result beside the outcome is that of the caller's own sync, if it led.
    pub(crate) fn wait(
        &self,
        ticket: u64,
        sync: impl FnOnce() -> Result<()>,
        roll_back: impl FnOnce(),
    ) -> (Outcome, Result<()>) {
        let leads = self.progress.wait_until(|progress| {
            if progress.waiting.get(&ticket) != Some(&None) {
                return Some(false);
            }
            (!progress.syncing).then(|| {
                progress.syncing = true;
                true
            })
        });
        let mut synced = Ok(());
        if leads {
            synced = self.lead(sync);
            if synced.is_err() {
                roll_back();
            }
            self.progress.with(|progress| progress.syncing = false);
            self.progress.notify_all();
        }
        let outcome = self.progress.with(|progress| progress.waiting.remove(&ticket));
        (outcome.flatten().unwrap_or(Outcome::Unknown), synced)
    }

    /// Syncs everything appended so far.
    fn lead(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let (log, appended, newest) =
            self.progress.with(|progress| (progress.log, progress.appended, progress.newest_ticket));
        sync()?;
        self.progress.with(|progress| {
            if progress.log == log {
                progress.durable = progress.durable.max(appended);
            }
            progress.set_outcome(newest, Outcome::Durable);
        });
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what panics here is a finding")]
mod tests {
    use std::sync::Arc;

    use shuttle::rand::Rng as _;
    use shuttle::sync::{Condvar, Mutex};

    use super::*;
    use crate::error::Error;

    const WRITERS: usize = 3;
    const COMMITS: usize = 2;

    /// The monitor of the model, in which a thread may be held back at every step.
    #[derive(Default)]
    struct ModelMonitor {
        progress: Mutex<Progress>,
        changed: Condvar,
    }

    impl Monitor for ModelMonitor {
        fn with<R>(&self, work: impl FnOnce(&mut Progress) -> R) -> R {
            work(&mut self.progress.lock().unwrap())
        }

        fn notify_all(&self) {
            self.changed.notify_all();
        }

        fn wait_until<R>(&self, mut ready: impl FnMut(&mut Progress) -> Option<R>) -> R {
            let mut progress = self.progress.lock().unwrap();
            loop {
                if let Some(result) = ready(&mut progress) {
                    return result;
                }
                progress = self.changed.wait(progress).unwrap();
            }
        }
    }

    /// What a store is for group commit: commits in the superblock, and records of commits in the log.
    #[derive(Default)]
    struct Files {
        superblock: Vec<usize>,
        log: Vec<usize>,
        /// How many records of the log are on the disk, and which log that is.
        on_disk: usize,
        log_number: u64,
    }

    impl Files {
        fn begin_log(&mut self) {
            let records = std::mem::take(&mut self.log);
            self.superblock.extend(records);
            self.on_disk = 0;
            self.log_number += 1;
        }

        fn is_durable(&self, commit: usize) -> bool {
            self.superblock.contains(&commit) || self.log[..self.on_disk].contains(&commit)
        }
    }

    #[derive(Default)]
    struct Store {
        files: Mutex<Files>,
        sync: GroupCommit<ModelMonitor>,
    }

    impl Store {
        /// Keeps what was written before it began, or fails.
        fn sync_log(&self) -> Result<()> {
            let (begun, log) = {
                let files = self.files.lock().unwrap();
                (files.log.len(), files.log_number)
            };
            shuttle::thread::yield_now();
            if shuttle::rand::thread_rng().gen_bool(0.3) {
                return Err(Error::internal("the sync failed"));
            }
            let mut files = self.files.lock().unwrap();
            if files.log_number == log {
                files.on_disk = files.on_disk.max(begun);
            }
            Ok(())
        }

        fn roll_back(&self) {
            let mut files = self.files.lock().unwrap();
            let durable = usize::try_from(self.sync.durable()).unwrap();
            if files.log.len() > durable {
                files.log.truncate(durable);
                files.begin_log();
            }
            let left = files.log.len() as u64;
            self.sync.rolled_back(left, Outcome::RolledBack);
        }

        fn commit(&self, commit: usize) {
            let ticket = {
                let mut files = self.files.lock().unwrap();
                files.log.push(commit);
                self.sync.ticket(files.log.len() as u64)
            };
            let (outcome, _) = self.sync.wait(ticket, || self.sync_log(), || self.roll_back());
            let files = self.files.lock().unwrap();
            let kept = files.superblock.contains(&commit) || files.log.contains(&commit);
            match outcome {
                Outcome::Durable => assert!(files.is_durable(commit), "{commit} was acknowledged too early"),
                Outcome::RolledBack => assert!(!kept, "{commit} was refused and is there"),
                Outcome::Unknown => assert_eq!(outcome, Outcome::RolledBack, "all can be rolled back here"),
            }
        }

        fn fold_log(&self) {
            let mut files = self.files.lock().unwrap();
            files.begin_log();
            self.sync.log_restarted();
        }
    }

    fn writers_share_syncs_that_may_fail() {
        let store = Arc::new(Store::default());
        let mut threads = Vec::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            threads.push(shuttle::thread::spawn(move || {
                for number in 0..COMMITS {
                    store.commit(writer * COMMITS + number);
                }
            }));
        }
        for _ in 0..2 {
            store.fold_log();
            shuttle::thread::yield_now();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_ticket_is_acknowledged_once_durable_and_refused_once_gone() {
        shuttle::check_random(writers_share_syncs_that_may_fail, 3000);
        shuttle::check_pct(writers_share_syncs_that_may_fail, 3000, 3);
    }
}
