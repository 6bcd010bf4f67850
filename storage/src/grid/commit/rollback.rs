//! After a failure: the newest state and the files are brought back to what was acknowledged.
//!
//! A commit that is refused may have left a superblock or a record of the log, which the next recovery would find.
//! Before its error is returned, either of them is made void, durably. Where that fails too, nothing else is written
//! until it succeeds, and the error says that the outcome is unknown.

use super::durability::Durability;
use super::head::Head;
use crate::error::{Error, Result};
use crate::grid::format::superblock::{SUPERBLOCK_BYTES, Superblock, SuperblockSlot};
use crate::grid::objects::source::Source;
use crate::grid::objects::space_table::read_space;
use crate::grid::read::state::Current;
use crate::grid::write::apply::apply_record;

impl Head {
    /// Does what is still to be done after a failure. Until this succeeds, nothing else may be written.
    ///
    /// `durable_records` says how many records of the log are known durable when it is called.
    pub(crate) fn finish_rollback(
        &mut self,
        current: &Current,
        durable_records: &dyn Fn() -> u64,
    ) -> Result<()> {
        if let Some(records) = self.pending.restore_with_records {
            self.restore_durable(current, records, durable_records)?;
            self.pending.restore_with_records = None;
        }
        if self.pending.void_superblock {
            let accepted = self.accepted;
            self.write_superblock(self.durable_slot.other(), &accepted)?;
            self.sync_data()?;
            self.pending.void_superblock = false;
        }
        if self.wal.may_hold_refused_record() {
            // Records count only for the superblock that they follow, so a new one makes them void.
            self.fold_log(current)?;
        }
        Ok(())
    }

    /// Whether [`Self::finish_rollback`] will take the newest state back to the durable one.
    pub(crate) fn will_restore(&self) -> bool {
        self.pending.restore_with_records.is_some()
    }

    /// Whether records are gone for which a caller may still wait; answers `true` once.
    pub(crate) fn take_records_lost(&mut self) -> bool {
        std::mem::take(&mut self.pending.records_lost)
    }

    /// After a failed sync: the newest state becomes the durable one, with the records of the log.
    pub(super) fn data_sync_failed(&mut self) {
        // Which of the unsynced bytes are on disk is unknown, and the kernel reports the failure only once.
        self.pending.void_superblock = true;
        self.restore_with(self.wal.last());
    }

    /// After a failed sync of the log, of which only so many records are durable: the same, with those records.
    pub(crate) fn log_sync_failed(&mut self, durable_records: u64) {
        self.wal.expect_refused_record();
        self.restore_with(durable_records);
    }

    fn restore_with(&mut self, records: u64) {
        let already = self.pending.restore_with_records.unwrap_or(u64::MAX);
        self.pending.restore_with_records = Some(records.min(already));
    }

    /// After a superblock could not be written: whether it, or only a part of it, may be in its slot.
    pub(super) fn superblock_write_failed(&mut self, refused: &Superblock) {
        let must_be_there = (self.accepted != self.durable).then_some(self.accepted);
        self.pending.void_superblock |= match self.read_slot(self.durable_slot.other()) {
            Ok(found) => found == Some(*refused) || (must_be_there.is_some() && found != must_be_there),
            Err(_) => true,
        };
    }

    /// The superblock in a slot, if it holds a valid one.
    fn read_slot(&self, slot: SuperblockSlot) -> Result<Option<Superblock>> {
        let objects = &self.writer.objects;
        let path = objects.path();
        let len = objects.backend.len().map_err(|e| Error::io("measure", path, e))?;
        let view = objects.backend.view(len).map_err(|e| Error::io("map", path, e))?;
        let bytes = view.bytes(slot.offset(), SUPERBLOCK_BYTES).map_err(|e| Error::io("read", path, e))?;
        Ok(Superblock::decode(&bytes).ok())
    }

    fn restore_durable(
        &mut self,
        current: &Current,
        records: u64,
        durable_records: &dyn Fn() -> u64,
    ) -> Result<()> {
        let durable = self.durable;
        let objects = &self.writer.objects;
        let (table, mut space) = read_space(objects, &durable)?;
        space.block_like(&self.writer.space, objects)?;
        let payloads = self.recover_log(durable.commit, records, durable_records)?;
        self.writer.space = space;
        self.table = table;
        self.copy = durable.copy;
        self.writer.objects.discard();
        self.log_continues = false;
        // The superblock in the other slot is of a state that is given up.
        self.pending.void_superblock |= self.accepted != durable;
        self.accepted = durable;
        self.begin()?;
        self.adopt(durable.root, durable.next_sequence, current);
        for payload in payloads {
            self.redo(&payload, current)?;
        }
        Ok(())
    }

    /// The first `records` of the log.
    fn recover_log(
        &mut self,
        base: u64,
        records: u64,
        durable_records: &dyn Fn() -> u64,
    ) -> Result<Vec<Vec<u8>>> {
        let payloads = self.wal.recover(base, records)?;
        if payloads.len() as u64 == records {
            return Ok(payloads);
        }
        // A sync of the log failed, and the thread that called it is not here yet. Which of the records that were not
        // durable are on the disk is unknown, so none of them counts.
        self.wal.expect_refused_record();
        self.pending.records_lost = true;
        let records = durable_records().min(records);
        let payloads = self.wal.recover(base, records)?;
        if payloads.len() as u64 == records {
            return Ok(payloads);
        }
        let reason = "records that were durable are no more";
        Err(Error::corrupt(self.wal.path(), self.wal.len(), "the log", reason))
    }

    /// Commits what a record of the log says once more.
    pub(crate) fn redo(&mut self, payload: &[u8], current: &Current) -> Result<()> {
        self.begin()?;
        let root = apply_record(&mut self.writer, self.root, payload).inspect_err(|_| self.abort())?;
        self.commit_root(root, self.next_sequence, Durability::None, current)
    }
}
