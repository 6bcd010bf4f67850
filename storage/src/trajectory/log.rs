//! The log: opening, appending, looking up and retention.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::{self, Listing, segment_path};
use super::records::{TrajectoryRecord, encode_records};
use super::scan::{Order, TrajectoryScan};
use super::segment::Segment;
use super::summary::SegmentSummary;
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

pub(super) const LOCK_FILE: &str = "trajectories.lock";

/// How to open a log.
#[derive(Clone, Debug)]
pub struct TrajectoryLogOptions {
    /// A new segment is begun once the newest is longer than this.
    pub segment_bytes: u64,
}

impl Default for TrajectoryLogOptions {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20 }
    }
}

/// What to keep; whole segments are removed, oldest first, and never the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Segments whose youngest record is older than this go.
    pub max_age_ms: Option<u64>,
    /// The oldest segments go until the rest is no longer than this.
    pub max_bytes: Option<u64>,
}

/// What a retention step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Segments removed.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrajectoryStatistics {
    /// Segments.
    pub segments: u64,
    /// Records, those that a later one with the same id replaces included.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// An append-only log of trajectories, readable while it is written. Share it by `Arc`.
#[derive(Debug)]
pub struct TrajectoryLog {
    pub(super) directory: PathBuf,
    segment_bytes: u64,
    pub(super) segments: Mutex<Segments>,
    /// Held while a flush goes on.
    pub(super) flushing: Mutex<()>,
    set_aside: Vec<PathBuf>,
    _lock: DirectoryLock,
}

#[derive(Debug)]
pub(super) struct Segments {
    /// All segments by number; the last is the one that is written.
    pub(super) all: BTreeMap<u64, SegmentSummary>,
    pub(super) newest: Arc<Segment>,
    /// Segments that were closed and are not synced yet, by number.
    pub(super) unsynced: BTreeMap<u64, Arc<Segment>>,
    /// Whether files were made or removed since the directory was synced.
    pub(super) directory_changed: bool,
}

impl TrajectoryLog {
    /// Opens the log in `directory`, creating it when it is missing; a torn tail is cut off, and a newest segment
    /// without a valid header is set aside. Refused with [`Error::Locked`] when it is open already.
    pub fn open(directory: &Path, options: &TrajectoryLogOptions) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|e| Error::io("create the directory", directory, e))?;
        let lock = DirectoryLock::acquire(directory, LOCK_FILE, "")?;
        let Listing { segments: numbers, mut set_aside, .. } = Listing::read(directory)?;
        let mut all = BTreeMap::new();
        let newest_number = numbers.last().copied();
        for number in numbers {
            let path = segment_path(directory, number);
            let newest = Some(number) == newest_number;
            match SegmentSummary::read(&path, newest) {
                Ok(summary) => {
                    all.insert(number, summary);
                }
                Err(Error::Corrupt { .. }) if newest => set_aside.push(files::set_aside(&path)?),
                Err(error) => return Err(error),
            }
        }
        let newest = newest_number.and_then(|number| Some((number, all.get(&number)?)));
        let goes_on = newest.filter(|(_, summary)| !summary.damaged);
        let directory_changed = goes_on.is_none();
        let newest = if let Some((number, summary)) = goes_on {
            Segment::reopen(&segment_path(directory, number), summary.bytes)?
        } else {
            let number = newest_number.map_or(1, |number| number.saturating_add(1));
            all.insert(number, SegmentSummary::empty());
            Segment::create(&segment_path(directory, number))?
        };
        let segments =
            Segments { all, newest: Arc::new(newest), unsynced: BTreeMap::new(), directory_changed };
        Ok(Self {
            directory: directory.to_owned(),
            segment_bytes: options.segment_bytes,
            segments: Mutex::new(segments),
            flushing: Mutex::new(()),
            set_aside,
            _lock: lock,
        })
    }

    /// Files of segments whose headers were damaged, so that opening set them aside, now or earlier. Nothing reads or
    /// removes them.
    pub fn set_aside(&self) -> &[PathBuf] {
        &self.set_aside
    }

    /// Appends records, all or none: visible to scans at once, durable after [`Self::flush`].
    pub fn append(&self, records: &[TrajectoryRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes = encode_records(records)?;
        let mut segments = self.segments.lock();
        let last = segments.all.last_key_value().map(|(number, summary)| (*number, *summary));
        if let Some((last, summary)) = last
            && summary.records > 0
            && summary.bytes >= self.segment_bytes
        {
            let number = last.saturating_add(1);
            let next = Arc::new(Segment::create(&segment_path(&self.directory, number))?);
            let full = std::mem::replace(&mut segments.newest, next);
            segments.unsynced.insert(last, full);
            segments.all.insert(number, SegmentSummary::empty());
            segments.directory_changed = true;
        }
        let newest = Arc::clone(&segments.newest);
        if let Some(mut entry) = segments.all.last_entry() {
            let summary = entry.get_mut();
            newest.write(summary.bytes, &bytes)?;
            summary.add(records, bytes.len() as u64);
        }
        Ok(())
    }

    /// The highest id in the log.
    pub fn last_id(&self) -> Option<u64> {
        let segments = self.segments.lock();
        segments.all.values().filter(|summary| summary.records > 0).map(|summary| summary.max_id).max()
    }

    /// The record with this id.
    pub fn get(&self, id: u64) -> Result<Option<TrajectoryRecord>> {
        self.scan(id..=id, Order::Ascending, Some(1))?.next().transpose()
    }

    /// The records with these ids as of now, at most `limit`.
    pub fn scan(
        &self,
        ids: RangeInclusive<u64>,
        order: Order,
        limit: Option<usize>,
    ) -> Result<TrajectoryScan> {
        let segments = self.segments.lock();
        let wanted = segments.all.iter().filter(|(_, summary)| summary.overlaps(&ids));
        let files: Vec<_> = wanted
            .map(|(number, summary)| {
                let path = segment_path(&self.directory, *number);
                // Opened now, so that retention may remove the name while the scan goes on.
                let file = File::open(&path).map_err(|e| Error::io("open", &path, e))?;
                Ok((path, file, *summary))
            })
            .collect::<Result<_>>()?;
        drop(segments);
        Ok(TrajectoryScan::new(files, ids, order, limit))
    }

    /// Removes what the policy does not keep, seen from `now_ms`.
    pub fn retain(&self, policy: &RetentionPolicy, now_ms: u64) -> Result<Retained> {
        let mut removed = Retained::default();
        let mut segments = self.segments.lock();
        let mut total: u64 = segments.all.values().map(|summary| summary.bytes).sum();
        while segments.all.len() > 1 {
            let Some((number, summary)) = segments.all.first_key_value().map(|(n, s)| (*n, *s)) else {
                break;
            };
            let too_old =
                policy.max_age_ms.is_some_and(|age| now_ms.saturating_sub(summary.max_time_ms) > age);
            let too_much = policy.max_bytes.is_some_and(|bytes| total > bytes);
            if !too_old && !too_much {
                break;
            }
            let path = segment_path(&self.directory, number);
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            segments.all.remove(&number);
            segments.unsynced.remove(&number);
            segments.directory_changed = true;
            total -= summary.bytes;
            removed.segments += 1;
            removed.records += summary.records;
            removed.bytes += summary.bytes;
        }
        Ok(removed)
    }

    /// What is in the log.
    pub fn statistics(&self) -> TrajectoryStatistics {
        let segments = self.segments.lock();
        segments.all.values().fold(TrajectoryStatistics::default(), |sum, summary| TrajectoryStatistics {
            segments: sum.segments + 1,
            records: sum.records + summary.records,
            bytes: sum.bytes + summary.bytes,
        })
    }

    pub(super) fn sync_directory(&self) -> Result<()> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|e| Error::io("sync the directory", &self.directory, e))
    }
}
