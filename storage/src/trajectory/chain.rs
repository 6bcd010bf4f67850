//! What segments say of those before them: none may be missing between two others, and none may be too short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::entry::{ENTRY_HEADER, Entry, LogPosition, SegmentLength};
use super::files::{Listing, length, open_segment, segment_path};
use super::header::HEADER_BYTES;
use super::records::RecordReader;
use crate::backend::StorageDirectory;
use crate::error::{Error, Result};

/// Where the mark ends that a segment begins with.
const MARK_END: u64 = (HEADER_BYTES + ENTRY_HEADER) as u64;

/// What the segments of a log say of each other.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// How long segments were when the next one was begun, by their numbers.
    pub(super) lengths: BTreeMap<u64, u64>,
    /// Segments that are missing.
    pub(super) gaps: Vec<Gap>,
    /// Where the log once ended, if it ends before that now.
    pub(super) lost_end: Option<SegmentLength>,
}

/// Segments that are missing between two others, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Chain {
    /// Reads how each segment begins. `reached` is an end that the log once had durably.
    pub(super) fn read(
        directory: &dyn StorageDirectory,
        listing: &Listing,
        reached: LogPosition,
    ) -> Result<Self> {
        let set_aside: BTreeSet<u64> = listing.set_aside.iter().map(|segment| segment.number).collect();
        let mut chain = Self::default();
        let mut before = None;
        for number in listing.segments.iter().copied() {
            let previous = previous_of(directory, number)?;
            if let Some(previous) = previous {
                chain.lengths.insert(previous.segment, previous.bytes);
            }
            let expected = previous.map_or(number.saturating_sub(1), |previous| previous.segment);
            if let Some(before) = before.replace(number)
                && before < expected
            {
                chain.add_gap(Gap { first: before.saturating_add(1), last: expected }, &set_aside);
            }
        }
        chain.compare_end(directory, before, reached, &set_aside)?;
        Ok(chain)
    }

    /// Notes segments that are missing, unless they are those that were set aside.
    fn add_gap(&mut self, gap: Gap, set_aside: &BTreeSet<u64>) {
        let explained = set_aside.range(gap.first..=gap.last).count() as u64;
        if explained <= gap.last - gap.first {
            self.gaps.push(gap);
        }
    }

    /// Notes that the log ends before an end that it once had.
    fn compare_end(
        &mut self,
        directory: &dyn StorageDirectory,
        newest: Option<u64>,
        reached: LogPosition,
        set_aside: &BTreeSet<u64>,
    ) -> Result<()> {
        let LogPosition { segment, offset } = reached;
        let is_lost = match newest {
            _ if offset <= MARK_END || set_aside.contains(&segment) => false,
            Some(newest) if newest == segment => length(open_segment(directory, newest)?.as_ref())? < offset,
            newest => newest < Some(segment),
        };
        if is_lost {
            if newest != Some(segment) {
                let first = newest.map_or(segment, |newest| newest.saturating_add(1));
                self.add_gap(Gap { first, last: segment }, set_aside);
            }
            self.lengths.insert(segment, offset);
            self.lost_end = Some(SegmentLength { segment, bytes: offset });
        }
        Ok(())
    }
}

impl Gap {
    /// Where the first of them was.
    pub(super) fn path(self, directory: &Path) -> PathBuf {
        segment_path(directory, self.first)
    }

    pub(super) fn reason(self) -> String {
        if self.first == self.last {
            return "the file of the segment is missing".to_owned();
        }
        format!("the files of the segments up to number {} are missing", self.last)
    }

    pub(super) fn error(self, directory: &Path) -> Error {
        Error::corrupt(&self.path(directory), 0, "a segment of trajectories", self.reason())
    }
}

/// The segment that was the newest when this one was begun; `None` when it does not say or cannot be read.
fn previous_of(directory: &dyn StorageDirectory, number: u64) -> Result<Option<SegmentLength>> {
    let file = open_segment(directory, number)?;
    let end = length(file.as_ref())?.min(MARK_END);
    match RecordReader::open(file, number, end).and_then(|mut reader| reader.next_entry()) {
        Ok(Some(Entry::Follows(previous))) => Ok(Some(previous).filter(|previous| previous.segment < number)),
        Ok(_) | Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
