//! The log: opening, appending, looking up and retention.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::chain::{Chain, Gap};
use super::entry::{LogPosition, SegmentLength, TrajectoryRecord};
use super::files::{self, Listing, SetAside, open_segment, segment_name, segment_path};
use super::header::SegmentVersion;
use super::kept_summaries;
use super::scan::{Order, TrajectoryScan};
use super::segment::Segment;
use super::summary::{SegmentSummary, modified_ms};
use crate::backend::{FileDirectory, StorageDirectory};
use crate::error::{Error, Result};
use crate::index::RebuildableIndex;
use crate::lock::DirectoryLock;

pub(super) const LOCK_FILE: &str = "trajectories.lock";

/// How to open a log.
#[derive(Clone, Debug)]
pub struct TrajectoryLogOptions {
    /// A new segment is begun once the newest is longer than this.
    pub segment_bytes: u64,
    /// An end that the log once had durably, which its owner has kept elsewhere. When the log ends before it, the newest
    /// records are lost, and this is reported as damage from then on.
    pub reached: LogPosition,
}

impl Default for TrajectoryLogOptions {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, reached: LogPosition::BEGINNING }
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
    pub(super) directory: Arc<dyn StorageDirectory>,
    segment_bytes: u64,
    pub(super) segments: Mutex<Segments>,
    /// Held while a flush goes on or a segment is begun. It is taken before `segments`.
    pub(super) flushing: Mutex<()>,
    /// Segments that were missing when the log was opened.
    pub(super) gaps: Vec<Gap>,
    set_aside: Vec<PathBuf>,
    _lock: Option<DirectoryLock>,
}

#[derive(Debug)]
pub(super) struct Segments {
    /// All segments by number; the last is the one that is written.
    pub(super) all: BTreeMap<u64, SegmentSummary>,
    pub(super) newest: Arc<Segment>,
    /// Segments that were closed and could not be synced, by number.
    pub(super) unsynced: BTreeMap<u64, Arc<Segment>>,
    /// Why not, until a flush has told.
    pub(super) failure: Option<Error>,
    /// Whether files were made or removed since the directory was synced.
    pub(super) directory_changed: bool,
}

impl TrajectoryLog {
    /// Opens the log in `directory`, creating it when it is missing; a torn tail is cut off, and a newest segment
    /// without a valid header is set aside. Refused with [`Error::Locked`] when it is open already.
    pub fn open(directory: &Path, options: &TrajectoryLogOptions) -> Result<Self> {
        Self::open_with(directory, options, None)
    }

    /// Opens the log as [`Self::open`] does. Of the segments before the newest only those are read through of which the
    /// index keeps no summary; it has one of each of them afterwards.
    pub fn open_with(
        directory: &Path,
        options: &TrajectoryLogOptions,
        index: Option<&RebuildableIndex>,
    ) -> Result<Self> {
        let made = FileDirectory::create(directory);
        let made = made.map_err(|e| Error::io("create the directory", directory, e))?;
        let lock = DirectoryLock::acquire(directory, LOCK_FILE, "")?;
        Self::open_files(Arc::new(made), options, index, Some(lock))
    }

    /// Opens the log in a directory of the caller's own making, as [`Self::open`] does but without a lock.
    pub fn open_directory(
        directory: Arc<dyn StorageDirectory>,
        options: &TrajectoryLogOptions,
    ) -> Result<Self> {
        Self::open_files(directory, options, None, None)
    }

    fn open_files(
        directory: Arc<dyn StorageDirectory>,
        options: &TrajectoryLogOptions,
        index: Option<&RebuildableIndex>,
        lock: Option<DirectoryLock>,
    ) -> Result<Self> {
        let mut listing = Listing::read(directory.as_ref())?;
        let chain = Chain::read(directory.as_ref(), &listing, options.reached)?;
        let mut all = summarize(directory.as_ref(), &mut listing, &chain, index)?;
        let newest = open_newest(&directory, &listing, &chain, &mut all)?;
        let set_aside = listing.set_aside.iter().map(|segment| directory.path().join(&segment.name));
        let set_aside = set_aside.collect();
        let segments = Segments {
            all,
            newest: Arc::new(newest),
            unsynced: BTreeMap::new(),
            failure: None,
            // The process before this one may have been killed before it synced the names of its files.
            directory_changed: true,
        };
        Ok(Self {
            directory,
            segment_bytes: options.segment_bytes,
            segments: Mutex::new(segments),
            flushing: Mutex::new(()),
            gaps: chain.gaps,
            set_aside,
            _lock: lock,
        })
    }

    /// Keeps the summaries of all segments but the newest in an index, for [`Self::open_with`].
    pub fn keep_summaries(&self, index: &RebuildableIndex) -> Result<()> {
        let segments = self.segments.lock();
        let newest = segments.all.last_key_value().map(|(number, _)| *number);
        for (number, summary) in segments.all.iter().filter(|(number, _)| Some(**number) != newest) {
            kept_summaries::put(index, self.directory.as_ref(), *number, summary)?;
        }
        let lowest = segments.all.first_key_value().map_or(0, |(number, _)| *number);
        kept_summaries::remove_below(index, lowest);
        Ok(())
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
        if self.segments.lock().is_full(self.segment_bytes) {
            let _no_flush = self.flushing.lock();
            let mut segments = self.segments.lock();
            if segments.is_full(self.segment_bytes) {
                segments.begin_next(&self.directory)?;
            }
        }
        let mut segments = self.segments.lock();
        let Segments { all, newest, .. } = &mut *segments;
        if let Some(mut entry) = all.last_entry() {
            let summary = entry.get_mut();
            let bytes = newest.append(summary.bytes, records)?;
            summary.add(records, bytes);
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
                // Opened now, so that retention may remove the name while the scan goes on.
                let file = open_segment(self.directory.as_ref(), *number)?;
                Ok((*number, file, *summary))
            })
            .collect::<Result<_>>()?;
        drop(segments);
        // A missing segment may have held any id.
        let missing = self.gaps.first().map(|gap| gap.error(self.directory.path()));
        Ok(TrajectoryScan::new(files, ids, order, limit, missing))
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
            let path = || segment_path(self.directory.path(), number);
            self.directory.remove(&segment_name(number)).map_err(|e| Error::io("remove", &path(), e))?;
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
}

impl Segments {
    /// Whether the next record belongs into a new segment.
    fn is_full(&self, segment_bytes: u64) -> bool {
        let newest = self.all.last_key_value();
        newest.is_some_and(|(_, summary)| summary.records > 0 && summary.bytes >= segment_bytes)
    }

    /// Begins the next segment. The one before is synced first, and so are the new one's header and name: no loss of
    /// power leaves a torn tail in a segment that another one follows.
    fn begin_next(&mut self, directory: &Arc<dyn StorageDirectory>) -> Result<()> {
        let Some((last, bytes)) = self.all.last_key_value().map(|(last, summary)| (*last, summary.bytes))
        else {
            return Ok(());
        };
        // A second sync after one that failed would say nothing.
        let failure = if self.newest.is_distrusted() { None } else { self.newest.sync().err() };
        let number = last.saturating_add(1);
        let begun = Segment::create(directory, number, Some(SegmentLength { segment: last, bytes }));
        let begun = begun.and_then(|begun| sync_directory(directory.as_ref()).map(|()| begun));
        let (next, length) = begun.inspect_err(|_| {
            // It is made anew with the next record.
            let _ = directory.remove(&segment_name(number));
        })?;
        let full = std::mem::replace(&mut self.newest, Arc::new(next));
        self.all.insert(number, SegmentSummary::empty(length));
        if full.is_distrusted() {
            self.unsynced.insert(last, full);
            self.failure = failure;
        }
        Ok(())
    }
}

/// The summaries of all segments. A newest one without a valid header is set aside.
fn summarize(
    directory: &dyn StorageDirectory,
    listing: &mut Listing,
    chain: &Chain,
    index: Option<&RebuildableIndex>,
) -> Result<BTreeMap<u64, SegmentSummary>> {
    let mut all = BTreeMap::new();
    let newest = listing.segments.last().copied();
    for number in listing.segments.iter().copied() {
        let summary = if Some(number) == newest && chain.lost_end.is_none() {
            match SegmentSummary::read(directory, number, true) {
                Err(Error::Corrupt { .. }) => {
                    listing.set_aside.push(files::set_aside(directory, number)?);
                    continue;
                }
                read => read?,
            }
        } else {
            let summary = summary_of_older(directory, number, index)?;
            match chain.lengths.get(&number) {
                Some(length) if *length > summary.bytes => {
                    summary.damaged(*length, modified_ms(directory, number)?)
                }
                _ => summary,
            }
        };
        all.insert(number, summary);
    }
    if let (Some(index), Some((lowest, _))) = (index, all.first_key_value()) {
        kept_summaries::remove_below(index, *lowest);
    }
    Ok(all)
}

/// The summary of a segment that is not the newest: the one in the index, or what reading it finds, which is kept then.
fn summary_of_older(
    directory: &dyn StorageDirectory,
    number: u64,
    index: Option<&RebuildableIndex>,
) -> Result<SegmentSummary> {
    let Some(index) = index else {
        return SegmentSummary::read(directory, number, false);
    };
    if let Some(kept) = kept_summaries::get(index, directory, number)? {
        return Ok(kept);
    }
    let summary = SegmentSummary::read(directory, number, false)?;
    kept_summaries::put(index, directory, number, &summary)?;
    Ok(summary)
}

/// Opens the newest segment for writing, or begins one behind it if it is damaged or of an older version.
fn open_newest(
    directory: &Arc<dyn StorageDirectory>,
    listing: &Listing,
    chain: &Chain,
    all: &mut BTreeMap<u64, SegmentSummary>,
) -> Result<Segment> {
    if let Some(lost_end) = chain.lost_end {
        return begin_behind(directory, lost_end, all);
    }
    let set_aside = listing.set_aside.iter().map(|SetAside { number, .. }| *number).max();
    let highest = listing.segments.last().copied().max(set_aside);
    let newest = all.last_key_value().map(|(number, summary)| (*number, *summary));
    let newest = newest.filter(|(number, _)| Some(*number) == highest);
    if let Some((number, summary)) = newest.filter(|(_, summary)| !summary.damaged && summary.records > 0)
        && summary.version == SegmentVersion::Two
    {
        return Segment::reopen(directory, number, summary.bytes);
    }
    let number = match newest {
        // Nothing was ever recorded in it.
        Some((number, summary)) if summary.records == 0 && !summary.damaged => {
            all.remove(&number);
            number
        }
        Some((number, summary)) => {
            close(directory, number, &summary)?;
            number.saturating_add(1)
        }
        None => highest.map_or(1, |number| number.saturating_add(1)),
    };
    let previous = all.last_key_value();
    let previous =
        previous.map(|(segment, summary)| SegmentLength { segment: *segment, bytes: summary.bytes });
    let (segment, bytes) = Segment::create(directory, number, previous)?;
    all.insert(number, SegmentSummary::empty(bytes));
    Ok(segment)
}

/// Begins a segment that says how long the one before it was, of which the end is lost.
fn begin_behind(
    directory: &Arc<dyn StorageDirectory>,
    lost_end: SegmentLength,
    all: &mut BTreeMap<u64, SegmentSummary>,
) -> Result<Segment> {
    if let Some(summary) = all.get(&lost_end.segment) {
        close(directory, lost_end.segment, summary)?;
    }
    let number = lost_end.segment.saturating_add(1);
    let (segment, bytes) = Segment::create(directory, number, Some(lost_end))?;
    all.insert(number, SegmentSummary::empty(bytes));
    Ok(segment)
}

/// Cuts a torn tail off and makes what is left durable, before another segment follows.
fn close(directory: &Arc<dyn StorageDirectory>, number: u64, summary: &SegmentSummary) -> Result<()> {
    if summary.damaged {
        let name = segment_name(number);
        let opened = directory.open(&name, &name).and_then(|file| file.sync());
        return opened.map_err(|e| Error::io("sync", &directory.path().join(&name), e));
    }
    Segment::reopen(directory, number, summary.bytes)?.sync()
}

pub(super) fn sync_directory(directory: &dyn StorageDirectory) -> Result<()> {
    directory.sync().map_err(|e| Error::io("sync the directory", directory.path(), e))
}
