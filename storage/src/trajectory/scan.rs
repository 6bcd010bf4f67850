//! Scans: records in order of ids, over segments whose ids may overlap.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::vec::IntoIter;

use super::entry::TrajectoryRecord;
use super::records::{Behind, RecordReader};
use super::summary::SegmentSummary;
use crate::backend::StorageBackend;
use crate::error::{Error, Result};

/// In which order a scan yields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By rising id.
    #[default]
    Ascending,
    /// By falling id.
    NewestFirst,
}

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
    number: u64,
    file: Arc<dyn StorageBackend>,
    bytes: u64,
    /// What it may hold.
    ids: RangeInclusive<u64>,
}

impl TrajectoryScan {
    /// A scan of these segments, whose last word is `failed` unless another damage is met.
    pub(super) fn new(
        files: Vec<(u64, Arc<dyn StorageBackend>, SegmentSummary)>,
        ids: RangeInclusive<u64>,
        order: Order,
        limit: Option<usize>,
        failed: Option<Error>,
    ) -> Self {
        let segments = files.into_iter().enumerate();
        let mut segments: Vec<_> = segments
            .map(|(age, (number, file, summary))| Waiting {
                age,
                number,
                file,
                bytes: summary.bytes,
                ids: summary.ids().unwrap_or(0..=u64::MAX),
            })
            .collect();
        match order {
            Order::Ascending => segments.sort_by_key(|waiting| *waiting.ids.start()),
            Order::NewestFirst => segments.sort_by_key(|waiting| std::cmp::Reverse(*waiting.ids.end())),
        }
        let segments = segments.into_iter().peekable();
        Self { segments, ids, order, left: limit, ready: BTreeMap::new(), failed }
    }

    /// Whether a segment that was not read yet may hold the next id, or the newest record of that id.
    fn must_read(&mut self) -> bool {
        let Some(waiting) = self.segments.peek() else {
            return false;
        };
        match self.order {
            Order::Ascending => self.ready.first_key_value().is_none_or(|(id, _)| waiting.ids.start() <= id),
            Order::NewestFirst => self.ready.last_key_value().is_none_or(|(id, _)| waiting.ids.end() >= id),
        }
    }

    /// Makes the records of a segment ready that check. Returns the first damage between them as an error.
    fn read(&mut self, waiting: Waiting) -> Result<()> {
        let age = waiting.age;
        let mut reader = RecordReader::open(waiting.file, waiting.number, waiting.bytes)?;
        let mut damage = None;
        loop {
            match reader.next_record() {
                Ok(Some(record)) => self.make_ready(age, record),
                Ok(None) => break,
                Err(error @ Error::Corrupt { .. }) => {
                    damage = damage.or(Some(error));
                    if !matches!(reader.skip_damage()?, Behind::Entry(_)) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        damage.map_or(Ok(()), Err)
    }

    fn make_ready(&mut self, age: usize, record: TrajectoryRecord) {
        let newer = self.ready.get(&record.id).is_some_and(|(ready, _)| *ready > age);
        if self.ids.contains(&record.id) && !newer {
            self.ready.insert(record.id, (age, record));
        }
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
            // The damage is yielded last, after all records that check.
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
