//! One writer at a time: commits through the log or by the tree, made durable together with others, and what becomes of
//! those that fail.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::durability::Durability;
use super::group_commit::{GroupCommit, Outcome};
use super::head::Head;
use super::recovery;
use super::wal::MAX_PAYLOAD;
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::grid::format::reference::Ref;
use crate::grid::read::state::Current;
use crate::grid::write::editor::Editor;
use crate::grid::write::update::UpdateBatch;
use crate::lock::DirectoryLock;

/// The head behind its lock, the state that readers see, and the log that writers share.
#[derive(Debug)]
pub(crate) struct Committer {
    head: Mutex<Head>,
    current: Current,
    group: GroupCommit,
    wal: Arc<dyn StorageBackend>,
    fold_wal_above: u64,
}

impl Committer {
    /// Recovers what is in these files.
    pub(crate) fn open(
        data: Arc<dyn StorageBackend>,
        wal: Arc<dyn StorageBackend>,
        lock: Option<Arc<DirectoryLock>>,
        fold_wal_above: u64,
    ) -> Result<Self> {
        let (head, current) = recovery::open(data, Arc::clone(&wal), lock)?;
        let group = GroupCommit::default();
        Ok(Self { head: Mutex::new(head), current, group, wal, fold_wal_above })
    }

    pub(crate) fn current(&self) -> &Current {
        &self.current
    }

    pub(crate) fn wal(&self) -> &Arc<dyn StorageBackend> {
        &self.wal
    }

    /// Lends the head to `work`; writers wait meanwhile.
    pub(crate) fn with_head<T>(&self, work: impl FnOnce(&mut Head) -> Result<T>) -> Result<T> {
        work(&mut self.head.lock())
    }

    /// The head, ready for a write.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Head>> {
        let mut head = self.head.lock();
        self.finish_rollback(&mut head)?;
        Ok(head)
    }

    /// Commits sparse updates through the write-ahead log; calls from several threads share one sync.
    pub(crate) fn update(&self, batch: &UpdateBatch, durability: Durability) -> Result<()> {
        let mut head = self.lock()?;
        head.begin()?;
        let mut editor = Editor::new(head.root, head.next_sequence);
        let applied = editor.apply(&mut head.writer, batch).and_then(|()| editor.flush(&mut head.writer));
        let root = applied.inspect_err(|_| head.abort())?;
        let payload = match durability {
            Durability::None => Vec::new(),
            Durability::Eventual | Durability::Immediate => batch.encode().inspect_err(|_| head.abort())?,
        };
        let fits_log = head.wal.len().saturating_add(payload.len() as u64) <= self.fold_wal_above;
        let by_log = durability != Durability::None && head.log_continues && payload.len() <= MAX_PAYLOAD;
        if !(by_log && fits_log) {
            // A full log is folded into the tree, which makes the batch durable whatever was asked.
            let durability = if by_log { Durability::Immediate } else { durability };
            let next_sequence = head.next_sequence;
            return self.commit_root(&mut head, root, next_sequence, durability);
        }
        let written = head.writer.objects.write_out();
        if let Err(error) = written.and_then(|()| head.wal.append(&payload)) {
            head.abort();
            return Err(self.refuse(&mut head, error));
        }
        let next_sequence = head.next_sequence;
        head.adopt(root, next_sequence, &self.current);
        let records = head.wal.last();
        if durability == Durability::Immediate {
            let ticket = self.group.ticket(records);
            drop(head);
            self.make_durable(ticket)
        } else {
            self.group.appended(records);
            Ok(())
        }
    }

    fn make_durable(&self, ticket: u64) -> Result<()> {
        let mut undoing = Ok(());
        let sync = || self.wal.sync().map_err(|e| Error::io("sync", self.wal.path(), e));
        let (outcome, synced) = self.group.wait(ticket, sync, || undoing = self.roll_back_log());
        if outcome == Outcome::Durable {
            return Ok(());
        }
        let shared = || {
            let reason = "the sync that this update shared with others failed; it was taken back";
            Error::io("sync", self.wal.path(), std::io::Error::other(reason))
        };
        let failure = synced.err().unwrap_or_else(shared);
        Err(match (outcome, undoing) {
            (Outcome::Unknown, undoing) => outcome_unknown(failure, undoing.err()),
            _ => failure,
        })
    }

    /// After a failed sync of the log: takes back the records that are not durable.
    fn roll_back_log(&self) -> Result<()> {
        let mut head = self.head.lock();
        let durable = self.group.durable();
        // A commit by the tree may have made all records durable meanwhile. Or it failed too, and what it left to do
        // must be done here, because without it what is taken back could return.
        if head.wal.last() > durable || head.will_restore() {
            head.log_sync_failed(durable);
        }
        let rolled_back = head.finish_rollback(&self.current, &|| durable);
        head.take_records_lost();
        self.group.rolled_back(head.wal.last().min(durable), outcome_of(&rolled_back));
        rolled_back
    }

    /// Does what is still to be done after a failure.
    fn finish_rollback(&self, head: &mut Head) -> Result<()> {
        let before = head.durable.commit;
        let rolled_back = head.finish_rollback(&self.current, &|| self.group.durable());
        if head.take_records_lost() {
            let left = head.wal.last().min(self.group.durable());
            self.group.rolled_back(left, outcome_of(&rolled_back));
        }
        if head.durable.commit != before {
            self.group.log_restarted();
        }
        rolled_back
    }

    /// The error of a commit that failed, after making sure that no recovery will find the commit.
    fn refuse(&self, head: &mut Head, failure: Error) -> Error {
        match self.finish_rollback(head) {
            Ok(()) => failure,
            Err(undoing) => outcome_unknown(failure, Some(undoing)),
        }
    }

    /// Commits an attempt by the tree.
    pub(crate) fn commit_root(
        &self,
        head: &mut Head,
        root: Ref,
        next_sequence: u64,
        durability: Durability,
    ) -> Result<()> {
        head.commit_root(root, next_sequence, durability, &self.current)
            .map_err(|error| self.refuse(head, error))?;
        if head.durable.commit == head.commit {
            self.group.log_restarted();
        }
        Ok(())
    }

    /// Makes everything committed so far durable and folds the write-ahead log into the tree.
    pub(crate) fn fold_log(&self, head: &mut Head) -> Result<()> {
        self.finish_rollback(head)?;
        if head.log_is_folded() {
            return Ok(());
        }
        head.fold_log(&self.current).map_err(|error| self.refuse(head, error))?;
        self.group.log_restarted();
        Ok(())
    }

    /// Makes everything durable and writes so into the superblock, so that the next opening checks nothing.
    pub(crate) fn seal(&self) -> Result<()> {
        self.head.lock().seal(&self.current, &|| self.group.durable())
    }
}

/// What became of records that are not durable, once it was tried to take them back.
fn outcome_of(rolled_back: &Result<()>) -> Outcome {
    match rolled_back {
        Ok(()) => Outcome::RolledBack,
        Err(_) => Outcome::Unknown,
    }
}

/// An error whose commit may come back.
fn outcome_unknown(failure: Error, undoing: Option<Error>) -> Error {
    let by_another = || Error::internal("whoever synced for all could not take it back");
    Error::OutcomeUnknown {
        failure: Box::new(failure),
        undoing: Box::new(undoing.unwrap_or_else(by_another)),
    }
}
