//! What a segment holds, kept in memory.

use std::ops::RangeInclusive;

use super::entry::{Entry, TrajectoryRecord};
use super::files::{length, open_segment, segment_name};
use super::header::{HEADER_BYTES, SegmentVersion};
use super::records::{Behind, RecordReader};
use crate::backend::StorageDirectory;
use crate::error::{Error, Result};

/// What a segment holds, as far as it was read or appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentSummary {
    pub(super) version: SegmentVersion,
    pub(super) bytes: u64,
    /// Where the last of its records ends.
    pub(super) records_end: u64,
    /// Records that check.
    pub(super) records: u64,
    /// The lowest of their ids.
    pub(super) min_id: u64,
    /// The highest of their ids.
    pub(super) max_id: u64,
    pub(super) max_time_ms: u64,
    /// Whether something else than entries that check is in it, or a part of it is missing.
    pub(super) damaged: bool,
}

impl SegmentSummary {
    /// A new segment of this length.
    pub(super) fn empty(bytes: u64) -> Self {
        Self { bytes, records_end: HEADER_BYTES as u64, min_id: u64::MAX, ..Self::default() }
    }

    /// Reads through a segment. In the newest one, an entry that does not check and has no whole entry behind it is a
    /// torn tail, and the summary ends before it. Everything else that does not check is damage.
    pub(super) fn read(directory: &dyn StorageDirectory, number: u64, newest: bool) -> Result<Self> {
        let file = open_segment(directory, number)?;
        let len = length(file.as_ref())?;
        let mut summary = Self::empty(HEADER_BYTES as u64);
        let age = || modified_ms(directory, number);
        let mut reader = match RecordReader::open(file, number, len) {
            Ok(reader) => reader,
            // A newest segment without a whole header was made by a process that died at once.
            Err(Error::Corrupt { .. }) if newest && len <= HEADER_BYTES as u64 => return Ok(summary),
            Err(Error::Corrupt { .. }) if !newest => return Ok(summary.damaged(len, age()?)),
            Err(error) => return Err(error),
        };
        summary.version = reader.version();
        let mut damaged = false;
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) => {
                    summary.bytes = reader.offset;
                    if let Entry::Record(record) = entry {
                        summary.note(record.id, record.time_ms);
                        summary.records_end = reader.offset;
                    }
                }
                Ok(None) => break,
                Err(Error::Corrupt { .. }) => {
                    let behind = reader.skip_damage()?;
                    damaged |= !newest || behind != Behind::Nothing;
                    if !matches!(behind, Behind::Entry(_)) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(if damaged { summary.damaged(len, age()?) } else { summary })
    }

    /// Adds that a part of its `bytes` bytes is damaged, whose age only the file's can bound: retention goes by that too.
    pub(super) fn damaged(mut self, bytes: u64, modified_ms: u64) -> Self {
        self.max_time_ms = self.max_time_ms.max(modified_ms);
        self.bytes = bytes;
        self.damaged = true;
        self
    }

    pub(super) fn add(&mut self, records: &[TrajectoryRecord], bytes: u64) {
        self.bytes += bytes;
        self.records_end = self.bytes;
        for record in records {
            self.note(record.id, record.time_ms);
        }
    }

    fn note(&mut self, id: u64, time_ms: u64) {
        self.records += 1;
        self.min_id = self.min_id.min(id);
        self.max_id = self.max_id.max(id);
        self.max_time_ms = self.max_time_ms.max(time_ms);
    }

    /// Whether its last entry is a record, so that nothing says that this is synced.
    pub(super) fn ends_with_a_record(&self) -> bool {
        self.records > 0 && self.records_end == self.bytes
    }

    /// The ids that it may hold; `None` when it is empty. A damaged record may have had any id, so every scan reads a
    /// damaged segment and reports it.
    pub(super) fn ids(&self) -> Option<RangeInclusive<u64>> {
        if self.damaged {
            return Some(0..=u64::MAX);
        }
        (self.records > 0).then_some(self.min_id..=self.max_id)
    }

    pub(super) fn overlaps(&self, wanted: &RangeInclusive<u64>) -> bool {
        self.ids().is_some_and(|ids| ids.start() <= wanted.end() && ids.end() >= wanted.start())
    }
}

/// When the file of a segment changed last, in milliseconds since 1970. Where nobody knows, it counts as young.
pub(super) fn modified_ms(directory: &dyn StorageDirectory, number: u64) -> Result<u64> {
    let name = segment_name(number);
    let modified = directory.modified_ms(&name);
    let modified = modified.map_err(|e| Error::io("measure", &directory.path().join(&name), e))?;
    Ok(modified.unwrap_or(u64::MAX))
}
