//! After a failure: the newest state and the files are brought back to what was acknowledged.
//!
//! A commit that is refused may have left a superblock or a record of the log, which the next recovery would find.
//! Before its error is returned, either of them is made void, durably. Where that fails too, nothing else is written
//! until it succeeds, and the error says that the outcome is unknown.

use super::core::Core;
use super::format::{SUPERBLOCK_BYTES, SUPERBLOCK_SLOTS, Superblock};
use super::source::Source;
use super::state::Current;
use crate::error::{Error, Result};

/// What is still to be done after a failure.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// A sync failed: the newest state must become the durable one with so many records of the log.
    go_back_to: Option<u64>,
    /// The slot that a commit writes to may hold a superblock that was refused, or a torn one.
    superblock: bool,
    /// Records that were not durable are gone, and whoever waits for them does not know.
    records_lost: bool,
}

impl Core {
    /// Does what is still to be done after a failure. Until this succeeds, nothing else may be written. `durable` tells
    /// how many records of the log are known durable at the time that it is asked.
    pub(crate) fn settle(&mut self, current: &Current, durable: &dyn Fn() -> u64) -> Result<()> {
        if let Some(records) = self.unsettled.go_back_to {
            self.go_back(current, records, durable)?;
            self.unsettled.go_back_to = None;
        }
        if self.unsettled.superblock {
            let standing = self.standing;
            self.write_superblock(1 - self.durable_slot, &standing)?;
            self.sync_data()?;
            self.unsettled.superblock = false;
        }
        if self.wal.is_suspect() {
            // Records count only for the superblock that they follow.
            self.checkpoint(current)?;
        }
        Ok(())
    }

    /// Whether [`Self::settle`] will take the newest state back to the durable one.
    pub(crate) fn will_go_back(&self) -> bool {
        self.unsettled.go_back_to.is_some()
    }

    /// Whether records that somebody may wait for are gone; says so once.
    pub(crate) fn lost_records(&mut self) -> bool {
        std::mem::take(&mut self.unsettled.records_lost)
    }

    /// After a failed sync nobody knows what of the unsynced bytes is on disk, and the kernel will not say again.
    /// So the newest state becomes the durable one, with the records of the log.
    pub(crate) fn distrust_data(&mut self) {
        self.unsettled.superblock = true;
        self.must_go_back(self.wal.last());
    }

    /// The same after a failed sync of the log, of which only so many records are durable.
    pub(crate) fn distrust_log(&mut self, records: u64) {
        self.wal.suspect();
        self.must_go_back(records);
    }

    fn must_go_back(&mut self, records: u64) {
        let already = self.unsettled.go_back_to.unwrap_or(u64::MAX);
        self.unsettled.go_back_to = Some(records.min(already));
    }

    /// After a superblock could not be written: whether it, or only a part of it, may be in its slot.
    pub(crate) fn suspect_superblock(&mut self, refused: &Superblock) {
        let slot = 1 - self.durable_slot;
        let must_be_there = (self.standing != self.durable).then_some(self.standing);
        self.unsettled.superblock |= match self.read_slot(slot) {
            Ok(found) => found == Some(*refused) || (must_be_there.is_some() && found != must_be_there),
            Err(_) => true,
        };
    }

    /// The superblock in a slot, if it holds a valid one.
    fn read_slot(&self, slot: usize) -> Result<Option<Superblock>> {
        let objects = &self.writer.objects;
        let path = objects.path();
        let offset = SUPERBLOCK_SLOTS.get(slot).copied().unwrap_or_default();
        let len = objects.backend.len().map_err(|e| Error::io("measure", path, e))?;
        let view = objects.backend.view(len).map_err(|e| Error::io("map", path, e))?;
        let bytes = view.bytes(offset, SUPERBLOCK_BYTES).map_err(|e| Error::io("read", path, e))?;
        Ok(Superblock::decode(&bytes).ok())
    }

    fn go_back(&mut self, current: &Current, records: u64, durable_records: &dyn Fn() -> u64) -> Result<()> {
        let durable = self.durable;
        let objects = &self.writer.objects;
        let (table, mut space) = super::recovery::read_space(objects, &durable)?;
        space.block_like(&self.writer.space, objects)?;
        let payloads = self.recover_log(durable.commit, records, durable_records)?;
        self.writer.space = space;
        self.table = table;
        self.copy = durable.copy;
        self.writer.objects.discard();
        self.log_continues = false;
        // What stood in the other slot is no more either.
        self.unsettled.superblock |= self.standing != durable;
        self.standing = durable;
        self.begin()?;
        self.adopt(durable.root, durable.next_sequence, current);
        for payload in payloads {
            self.redo(&payload, current)?;
        }
        Ok(())
    }

    /// The first `records` of the log. Where some are gone, a sync of the log failed whose caller has not come here yet:
    /// then only those that are durable, because of the others nobody knows which are on the disk.
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
        self.wal.suspect();
        self.unsettled.records_lost = true;
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
        let root =
            super::apply::apply_record(&mut self.writer, self.root, payload).inspect_err(|_| self.abort())?;
        self.finish(root, self.next_sequence, super::Durability::None, current)
    }
}
