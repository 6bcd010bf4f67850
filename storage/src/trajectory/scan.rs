//! Scans: records in order of ids, over segments whose ids may overlap.

use std::collections::BTreeMap;
use std::fs::File;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::vec::IntoIter;

use super::segment::{RecordReader, SegmentSummary};
use super::{Order, TrajectoryRecord};
use crate::error::{Error, Result};

/// The records of a scan, read a segment at a time; it owns what it needs and may outlive the log.
///
/// A segment is read when its ids may come next; of records with one id that of the newest segment counts.
#[derive(Debug)]
pub struct TrajectoryScan {
    segments: Peekable<IntoIter<Waiting>>,
    ids: RangeInclusive<u64>,
    order: Order,
    left: Option<usize>,
    /// Records of the segments read so far that were not yielded yet, with the age of their segment.
    ready: BTreeMap<u64, (usize, TrajectoryRecord)>,
    failed: Option<Error>,
}

#[derive(Debug)]
struct Waiting {
    age: usize,
    path: PathBuf,
    file: File,
    summary: SegmentSummary,
}

impl TrajectoryScan {
    pub(super) fn new(
        files: Vec<(PathBuf, File, SegmentSummary)>,
        ids: RangeInclusive<u64>,
        order: Order,
        limit: Option<usize>,
    ) -> Self {
        let segments = files.into_iter().enumerate();
        let mut segments: Vec<_> = segments
            .map(|(age, (path, file, summary))| Waiting {
                age,
                path,
                file,
                summary,
            })
            .collect();
        match order {
            Order::Ascending => segments.sort_by_key(|waiting| waiting.summary.min_id),
            Order::NewestFirst => segments.sort_by_key(|waiting| std::cmp::Reverse(waiting.summary.max_id)),
        }
        let segments = segments.into_iter().peekable();
        Self {
            segments,
            ids,
            order,
            left: limit,
            ready: BTreeMap::new(),
            failed: None,
        }
    }

    /// Whether a segment that was not read yet may hold the next id, or the newest record of that id.
    fn must_read(&mut self) -> bool {
        let Some(waiting) = self.segments.peek() else {
            return false;
        };
        match self.order {
            Order::Ascending => self
                .ready
                .first_key_value()
                .is_none_or(|(id, _)| waiting.summary.min_id <= *id),
            Order::NewestFirst => self
                .ready
                .last_key_value()
                .is_none_or(|(id, _)| waiting.summary.max_id >= *id),
        }
    }

    fn read(&mut self, waiting: Waiting) -> Result<()> {
        let mut reader = RecordReader::open(&waiting.path, waiting.file, waiting.summary.bytes)?;
        while let Some(record) = reader.next_record()? {
            if !self.ids.contains(&record.id) {
                continue;
            }
            let newer = self
                .ready
                .get(&record.id)
                .is_some_and(|(age, _)| *age > waiting.age);
            if !newer {
                self.ready.insert(record.id, (waiting.age, record));
            }
        }
        Ok(())
    }
}

impl Iterator for TrajectoryScan {
    type Item = Result<TrajectoryRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == Some(0) {
            return None;
        }
        while self.must_read() {
            let waiting = self.segments.next()?;
            // What came before the damage is yielded first; the damage is the last word.
            if let Err(error) = self.read(waiting) {
                self.failed = Some(error);
            }
        }
        let next = match self.order {
            Order::Ascending => self.ready.pop_first(),
            Order::NewestFirst => self.ready.pop_last(),
        };
        match next {
            Some((_, (_, record))) => {
                self.left = self.left.map(|left| left.saturating_sub(1));
                Some(Ok(record))
            }
            None => self.failed.take().map(Err),
        }
    }
}
