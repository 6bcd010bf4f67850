//! Following a log: its records in the order in which they were appended, from where a reader stopped.

use std::sync::Arc;

use super::entry::{LogPosition, TrajectoryRecord};
use super::files::open_segment;
use super::log::TrajectoryLog;
use super::records::{Behind, RecordReader};
use crate::backend::StorageBackend;
use crate::error::{Error, Result};

/// One call reads fewer bytes than this, or a single record that is longer.
const MOST_BYTES: usize = 4 << 20;

/// Records of a log between two positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRange {
    /// The records that check, in the order in which they were appended.
    pub records: Vec<TrajectoryRecord>,
    /// The position behind them.
    pub end: LogPosition,
}

impl TrajectoryLog {
    /// The position behind the newest record.
    pub fn end(&self) -> LogPosition {
        let segments = self.segments.lock();
        let newest = segments.all.last_key_value();
        newest.map_or_else(LogPosition::default, |(number, summary)| LogPosition {
            segment: *number,
            offset: summary.records_end,
        })
    }

    /// The lowest id in the log.
    pub fn first_id(&self) -> Option<u64> {
        let segments = self.segments.lock();
        let filled = segments.all.values().filter(|summary| summary.records > 0);
        filled.map(|summary| summary.min_id).min()
    }

    /// The records from one position to another, at most `limit`. Positions come from [`Self::end`] or from the end of
    /// an earlier range. Records that do not check are left out, and so is what retention has removed.
    pub fn read_range(&self, from: LogPosition, to: LogPosition, limit: usize) -> Result<LogRange> {
        let mut range = LogRange { records: Vec::new(), end: from };
        let mut bytes = 0;
        while range.end < to {
            let Some(part) = self.part(range.end, to)? else {
                break;
            };
            let number = part.segment;
            let mut reader = match part.read() {
                Ok(reader) => reader,
                Err(Error::Corrupt { .. }) => {
                    range.end = after(number);
                    continue;
                }
                Err(error) => return Err(error),
            };
            while let Some(record) = next_that_checks(&mut reader)? {
                bytes += record.payload.len();
                range.records.push(record);
                range.end = LogPosition { segment: number, offset: reader.offset };
                if range.records.len() >= limit || bytes >= MOST_BYTES {
                    return Ok(range);
                }
            }
            range.end = after(number);
        }
        range.end = to;
        Ok(range)
    }

    /// The part of the first segment between two positions.
    fn part(&self, from: LogPosition, to: LogPosition) -> Result<Option<Part>> {
        let segments = self.segments.lock();
        let Some((number, summary)) = segments.all.range(from.segment..=to.segment).next() else {
            return Ok(None);
        };
        // Opened now, so that retention may remove the name while it is read.
        let file = open_segment(self.directory.as_ref(), *number)?;
        let start = if *number == from.segment { from.offset } else { 0 };
        let end = if *number == to.segment { to.offset } else { u64::MAX };
        Ok(Some(Part { segment: *number, file, start, end: end.min(summary.bytes) }))
    }
}

/// A part of one segment.
struct Part {
    segment: u64,
    file: Arc<dyn StorageBackend>,
    start: u64,
    end: u64,
}

impl Part {
    fn read(self) -> Result<RecordReader> {
        let mut reader = RecordReader::open(self.file, self.segment, self.end)?;
        reader.skip_to(self.start);
        Ok(reader)
    }
}

fn after(segment: u64) -> LogPosition {
    LogPosition { segment: segment.saturating_add(1), offset: 0 }
}

fn next_that_checks(reader: &mut RecordReader) -> Result<Option<TrajectoryRecord>> {
    loop {
        match reader.next_record() {
            Err(Error::Corrupt { .. }) => match reader.skip_damage()? {
                Behind::Entry(_) => {}
                Behind::Nothing | Behind::Unknown => return Ok(None),
            },
            read => return read,
        }
    }
}
