//! Commits of a store: through the log or by the tree, durable together with others, and what becomes of those that
//! fail.

use parking_lot::MutexGuard;

use super::core::Core;
use super::editor::Editor;
use super::format::Ref;
use super::store::{Durability, GridStore};
use super::sync::Fate;
use super::update::UpdateBatch;
use super::wal::MAX_PAYLOAD;
use crate::error::{Error, Result};

impl GridStore {
    /// The writer's half, ready for a write.
    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Core>> {
        let mut core = self.core.lock();
        self.settle(&mut core)?;
        Ok(core)
    }

    /// Applies sparse updates through the write-ahead log. Calls from several threads share one `fdatasync`.
    ///
    /// An `Immediate` batch is visible a moment before it is durable; if its sync fails, it is taken back. What is said
    /// of errors at [`WriteTransaction::commit`] holds here too.
    pub fn update(&self, batch: &UpdateBatch, durability: Durability) -> Result<()> {
        let mut core = self.writer()?;
        core.begin()?;
        let mut editor = Editor::new(core.root, core.next_sequence);
        let root = match editor.apply(&mut core.writer, batch).and_then(|()| editor.flush(&mut core.writer)) {
            Ok(root) => root,
            Err(error) => {
                core.abort();
                return Err(error);
            }
        };
        let payload = if durability == Durability::None { Vec::new() } else { batch.encode() };
        let log_grows = core.wal.len().saturating_add(payload.len() as u64) <= self.checkpoint_wal_bytes;
        let by_log = durability != Durability::None && core.log_continues && payload.len() <= MAX_PAYLOAD;
        if !(by_log && log_grows) {
            // A full log is folded into the tree, which makes the batch durable whatever was asked.
            let durability = if by_log { Durability::Immediate } else { durability };
            let next_sequence = core.next_sequence;
            return self.finish(&mut core, root, next_sequence, durability);
        }
        let written = core.writer.objects.write_out();
        if let Err(error) = written.and_then(|()| core.wal.append(&payload)) {
            core.abort();
            return Err(self.refuse(&mut core, error));
        }
        let next_sequence = core.next_sequence;
        core.adopt(root, next_sequence, self.current());
        let records = core.wal.last();
        if durability == Durability::Immediate {
            let ticket = self.sync.ticket(records);
            drop(core);
            self.make_durable(ticket)
        } else {
            self.sync.appended(records);
            Ok(())
        }
    }

    fn make_durable(&self, ticket: u64) -> Result<()> {
        let mut undoing = Ok(());
        let sync = || {
            let synced = self.wal_backend().sync();
            synced.map_err(|e| Error::io("sync", self.wal_backend().path(), e))
        };
        let (fate, synced) = self.sync.wait(ticket, sync, || undoing = self.take_back());
        if fate == Fate::Durable {
            return Ok(());
        }
        let shared = || {
            let reason = "the sync that this update shared with others failed; it was taken back";
            Error::io("sync", self.wal_backend().path(), std::io::Error::other(reason))
        };
        let failure = synced.err().unwrap_or_else(shared);
        Err(match (fate, undoing) {
            (Fate::Unknown, undoing) => unknown(failure, undoing.err()),
            _ => failure,
        })
    }

    /// After a failed sync of the log: takes back what is not durable. A commit by the tree may have made all of it
    /// durable meanwhile, or may have failed and left something to do, without which what is taken back could return.
    fn take_back(&self) -> Result<()> {
        let mut core = self.core.lock();
        let durable = self.sync.durable();
        if core.wal.last() > durable || core.will_go_back() {
            core.distrust_log(durable);
        }
        let settled = core.settle(self.current(), &|| durable);
        core.lost_records();
        self.sync.dealt_with(core.wal.last().min(durable), fate_of(&settled));
        settled
    }

    /// Does what is still to be done after a failure.
    fn settle(&self, core: &mut Core) -> Result<()> {
        let before = core.durable.commit;
        let settled = core.settle(self.current(), &|| self.sync.durable());
        if core.lost_records() {
            let left = core.wal.last().min(self.sync.durable());
            self.sync.dealt_with(left, fate_of(&settled));
        }
        if core.durable.commit != before {
            self.sync.begins_anew();
        }
        settled
    }

    /// The error of a commit that failed, after making sure that it will not be found by a recovery.
    pub(crate) fn refuse(&self, core: &mut Core, failure: Error) -> Error {
        match self.settle(core) {
            Ok(()) => failure,
            Err(undoing) => unknown(failure, Some(undoing)),
        }
    }

    /// Commits an attempt by the tree.
    pub(crate) fn finish(
        &self,
        core: &mut Core,
        root: Ref,
        next_sequence: u64,
        durability: Durability,
    ) -> Result<()> {
        core.finish(root, next_sequence, durability, self.current())
            .map_err(|error| self.refuse(core, error))?;
        if core.durable.commit == core.commit {
            self.sync.begins_anew();
        }
        Ok(())
    }

    /// Makes everything committed so far durable and folds the write-ahead log into the tree.
    pub fn sync(&self) -> Result<()> {
        self.checkpoint(&mut *self.writer()?)
    }

    /// The same, for whoever has the writer's half.
    pub(crate) fn checkpoint(&self, core: &mut Core) -> Result<()> {
        self.settle(core)?;
        if core.is_checkpointed() {
            return Ok(());
        }
        core.checkpoint(self.current()).map_err(|error| self.refuse(core, error))?;
        self.sync.begins_anew();
        Ok(())
    }
}

/// What became of records that are not durable, once it was tried to take them back.
fn fate_of(settled: &Result<()>) -> Fate {
    match settled {
        Ok(()) => Fate::TakenBack,
        Err(_) => Fate::Unknown,
    }
}

/// An error whose commit may come back.
fn unknown(failure: Error, undoing: Option<Error>) -> Error {
    let by_another = || Error::internal("whoever synced for all could not take it back");
    Error::OutcomeUnknown {
        failure: Box::new(failure),
        undoing: Box::new(undoing.unwrap_or_else(by_another)),
    }
}
