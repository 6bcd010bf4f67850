//! The head of the history of commits: what the one writer knows, and how a commit becomes visible and durable.
//!
//! A superblock is written to the slot that does not hold the newest durable one, so that one survives whatever
//! happens. One sync makes a commit durable: if the superblock reaches the disk and an object does not, recovery
//! finds the object's checksum wrong and takes the other superblock.

use std::sync::Arc;

use super::durability::Durability;
use super::wal::Wal;
use crate::error::{Error, Result};
use crate::grid::format::object::UNIT_BYTES;
use crate::grid::format::reference::Ref;
use crate::grid::format::superblock::{COPY_BYTES, Superblock, SuperblockSlot};
use crate::grid::objects::space_table::{SpaceTable, StoredSpace};
use crate::grid::objects::writer::Writer;
use crate::grid::read::state::{Current, Published, State};

/// An `Eventual` commit syncs when more bytes than this were freed and are kept only until a superblock is durable.
const MAX_UNRECLAIMED_BYTES: u64 = 256 << 20;

/// The newest state and everything needed to commit the next one. Guarded by the store's writer lock.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) writer: Writer,
    pub(crate) table: SpaceTable,
    pub(crate) published: Published,
    pub(crate) wal: Wal,
    /// The newest committed root.
    pub(crate) root: Ref,
    /// The newest committed number.
    pub(crate) commit: u64,
    /// The next version's sequence number.
    pub(crate) next_sequence: u64,
    pub(crate) store_id: u64,
    /// The newest superblock known durable, and its slot.
    pub(crate) durable: Superblock,
    pub(crate) durable_slot: SuperblockSlot,
    /// The newest superblock of a commit that was not refused: the durable one, or one in the other slot.
    pub(crate) accepted: Superblock,
    /// The copy of the newest superblock written.
    pub(crate) copy: Ref,
    /// Whether the newest state is the durable superblock plus the log, so that the log alone can take it further.
    pub(crate) log_continues: bool,
    /// What is still to be done after a failure.
    pub(super) pending: PendingRollback,
    /// Why no write is possible any more.
    pub(crate) broken: Option<String>,
    /// The highest number that any attempt at a commit had.
    pub(crate) last_attempt: u64,
}

/// What is still to be done after a failure.
#[derive(Debug, Default)]
pub(super) struct PendingRollback {
    /// A sync failed: the newest state must become the durable one with so many records of the log.
    pub(super) restore_with_records: Option<u64>,
    /// The slot that a commit writes to may hold a superblock that was refused, or a torn one.
    pub(super) void_superblock: bool,
    /// Records that were not durable are gone, and the callers that wait for them have no outcome yet.
    pub(super) records_lost: bool,
}

impl Head {
    /// Begins an attempt at a commit.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if let Some(reason) = &self.broken {
            return Err(Error::internal(format!(
                "the store takes no more writes until it is opened again: {reason}"
            )));
        }
        let oldest = self.published.oldest_read();
        self.writer.space.reclaim(oldest, self.durable.commit);
        self.number_attempt()?;
        self.writer.space.begin();
        Ok(())
    }

    fn number_attempt(&mut self) -> Result<()> {
        let next = self.last_attempt.checked_add(1).ok_or_else(|| {
            let reason = "its commit number is the last that there is";
            Error::corrupt(&self.writer.objects.path, 0, "the superblock", reason)
        })?;
        self.last_attempt = next;
        self.writer.commit = next;
        Ok(())
    }

    /// Forgets an attempt, of which nothing was committed.
    pub(crate) fn abort(&mut self) {
        self.writer.objects.discard();
        self.writer.space.roll_back();
    }

    /// Commits the attempt with this root. On an error nothing of it is visible, and [`Self::finish_rollback`] must
    /// make sure that it stays so before anything else is written.
    pub(crate) fn commit_root(
        &mut self,
        root: Ref,
        next_sequence: u64,
        durability: Durability,
        current: &Current,
    ) -> Result<()> {
        if durability == Durability::None {
            self.writer.objects.write_out().inspect_err(|_| self.abort())?;
            self.log_continues = false;
            self.adopt(root, next_sequence, current);
            return Ok(());
        }
        let (stored, superblock) =
            self.store_everything(root, next_sequence).inspect_err(|_| self.abort())?;
        let slot = self.durable_slot.other();
        self.log_continues = false;
        if let Err(error) = self.write_superblock(slot, &superblock) {
            self.abort();
            self.superblock_write_failed(&superblock);
            return Err(error);
        }
        let sync = durability == Durability::Immediate
            || self.writer.space.bytes_awaiting_superblock() > MAX_UNRECLAIMED_BYTES;
        if sync {
            self.sync_data().inspect_err(|_| self.abort())?;
        }
        stored.adopt(&mut self.writer.space, &mut self.table);
        self.writer.space.superblock_written();
        self.copy = superblock.copy;
        self.accepted = superblock;
        if sync {
            self.became_durable(superblock, slot);
        }
        self.adopt(root, next_sequence, current);
        Ok(())
    }

    /// Writes everything that a superblock refers to, and its copy.
    fn store_everything(&mut self, root: Ref, next_sequence: u64) -> Result<(StoredSpace, Superblock)> {
        if !self.copy.is_null() {
            self.writer.free(&self.copy)?;
        }
        let reserved = self.writer.reserve(COPY_BYTES)?;
        let stored = self.writer.store_space(&self.table)?;
        let (space, space_depth) = stored.root();
        let mut superblock = Superblock {
            store_id: self.store_id,
            commit: self.writer.commit,
            durable_commit: self.durable.commit,
            root,
            regions: stored.regions,
            space_depth,
            space,
            next_sequence,
            copy: Ref::NULL,
        };
        superblock.copy = self.writer.fill(reserved, &superblock.encode_copy(), 0)?;
        self.writer.objects.write_out()?;
        Ok((stored, superblock))
    }

    pub(super) fn write_superblock(&self, slot: SuperblockSlot, superblock: &Superblock) -> Result<()> {
        let objects = &self.writer.objects;
        objects
            .backend
            .write(slot.offset(), &superblock.encode())
            .map_err(|e| Error::io("write the superblock of", &objects.path, e))
    }

    /// Makes everything in the file durable. When that fails, the newest state must go back to what is.
    pub(super) fn sync_data(&mut self) -> Result<()> {
        let objects = &self.writer.objects;
        let synced = objects.backend.sync();
        let synced = synced.map_err(|e| Error::io("sync", &objects.path, e));
        synced.inspect_err(|_| self.data_sync_failed())
    }

    fn became_durable(&mut self, superblock: Superblock, slot: SuperblockSlot) {
        self.durable = superblock;
        self.durable_slot = slot;
        self.wal.restart(superblock.commit);
        self.log_continues = true;
    }

    /// Makes the attempt the newest state and shows it to readers.
    pub(crate) fn adopt(&mut self, root: Ref, next_sequence: u64, current: &Current) {
        self.root = root;
        self.next_sequence = next_sequence;
        self.commit = self.writer.commit;
        self.writer.space.commit(self.commit);
        current.publish(self.state(), &mut self.published);
    }

    /// The newest state, to be shown to readers.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::new(State {
            commit: self.commit,
            root: self.root,
            next_sequence: self.next_sequence,
            source: self.writer.objects.committed(),
        })
    }

    /// Cuts off what lies behind the last object and returns the length. Only for a file without snapshots.
    pub(crate) fn trim(&mut self) -> Result<u64> {
        let objects = &self.writer.objects;
        let end = self.writer.space.end_unit(objects)? * UNIT_BYTES;
        objects.backend.set_len(end).map_err(|e| Error::io("shorten", &objects.path, e))?;
        Ok(end)
    }

    /// Commits the newest state once more, by the tree and durably, so that nothing of it stands in the log alone.
    pub(crate) fn fold_log(&mut self, current: &Current) -> Result<()> {
        self.begin()?;
        self.commit_root(self.root, self.next_sequence, Durability::Immediate, current)
    }

    /// Whether everything committed is durable and in the superblock.
    pub(crate) fn log_is_folded(&self) -> bool {
        self.log_continues && self.wal.last() == 0 && self.durable.commit == self.commit
    }

    /// Makes everything durable and writes so into the superblock, so that the next opening checks nothing.
    /// `durable_records` is as [`Self::finish_rollback`] has it.
    pub(crate) fn seal(&mut self, current: &Current, durable_records: &dyn Fn() -> u64) -> Result<()> {
        if self.broken.is_some() || (self.log_is_folded() && self.durable.durable_commit == self.commit) {
            return Ok(());
        }
        self.finish_rollback(current, durable_records)?;
        if !self.log_is_folded() {
            self.fold_log(current)?;
        }
        let slot = self.durable_slot.other();
        let sealed = Superblock { durable_commit: self.durable.commit, ..self.durable };
        self.write_superblock(slot, &sealed)?;
        self.sync_data()?;
        self.durable = sealed;
        self.accepted = sealed;
        self.durable_slot = slot;
        Ok(())
    }
}
