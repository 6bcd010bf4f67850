//! What a segment holds, kept in memory.

use std::fs::{File, Metadata};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::header::HEADER_BYTES;
use super::records::{Behind, RecordReader, TrajectoryRecord};
use crate::error::{Error, Result};

/// What a segment holds, as far as it was read or appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentSummary {
    pub(super) bytes: u64,
    /// Records that check.
    pub(super) records: u64,
    /// The lowest of their ids.
    pub(super) min_id: u64,
    /// The highest of their ids.
    pub(super) max_id: u64,
    pub(super) max_time_ms: u64,
    /// Whether something else than records that check is in it.
    pub(super) damaged: bool,
}

impl SegmentSummary {
    pub(super) fn empty() -> Self {
        Self { bytes: HEADER_BYTES as u64, min_id: u64::MAX, ..Self::default() }
    }

    /// Reads through a segment. In the newest one, a record that does not check and has no whole record behind it is a
    /// torn tail, and the summary ends before it. Everything else that does not check is damage.
    pub(super) fn read(path: &Path, newest: bool) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("measure", path, e))?;
        let mut summary = Self::empty();
        let mut reader = match RecordReader::open(path, file, metadata.len()) {
            Ok(reader) => reader,
            // A newest segment without a whole header was made by a process that died at once.
            Err(Error::Corrupt { .. }) if newest && metadata.len() <= HEADER_BYTES as u64 => {
                return Ok(summary);
            }
            Err(Error::Corrupt { .. }) if !newest => return Ok(summary.damaged(&metadata)),
            Err(error) => return Err(error),
        };
        let mut damaged = false;
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    summary.note(record.id, record.time_ms);
                    summary.bytes = reader.offset;
                }
                Ok(None) => break,
                Err(Error::Corrupt { .. }) => {
                    let behind = reader.skip_damage()?;
                    damaged |= !newest || behind != Behind::Nothing;
                    if !matches!(behind, Behind::Record(_)) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(if damaged { summary.damaged(&metadata) } else { summary })
    }

    /// Adds that a part is damaged, whose age only the file's can bound: retention goes by that too.
    fn damaged(mut self, metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let age = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        let modified_ms = age.and_then(|age| u64::try_from(age.as_millis()).ok());
        self.max_time_ms = self.max_time_ms.max(modified_ms.unwrap_or(0));
        self.bytes = metadata.len();
        self.damaged = true;
        self
    }

    pub(super) fn add(&mut self, records: &[TrajectoryRecord], bytes: u64) {
        self.bytes += bytes;
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
