//! Append-only segments of trajectories.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::error::{Error, Result};

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

/// One record. Its id is the caller's; ids need not come in order, and of two with the same id the later counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrajectoryRecord {
    /// What it is found by.
    pub id: u64,
    /// When it happened, in milliseconds since 1970; retention goes by it.
    pub time_ms: u64,
    /// What was recorded.
    pub payload: Vec<u8>,
}

/// In which order a scan yields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By rising id.
    #[default]
    Ascending,
    /// By falling id.
    NewestFirst,
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

/// An append-only log of trajectories, readable while it is written. Share it by `Arc`.
#[derive(Debug)]
pub struct TrajectoryLog {}

impl TrajectoryLog {
    /// Opens the log in `directory`, creating it when it is missing; a torn tail is cut off.
    pub fn open(directory: &Path, options: &TrajectoryLogOptions) -> Result<Self> {
        let _ = (directory, options);
        Err(pending())
    }

    /// Appends records: visible to scans at once, durable after [`Self::flush`].
    pub fn append(&self, records: &[TrajectoryRecord]) -> Result<()> {
        let _ = records;
        Err(pending())
    }

    /// Returns once everything appended before the call is on disk.
    pub fn flush(&self) -> Result<()> {
        Err(pending())
    }

    /// The highest id in the log.
    pub fn last_id(&self) -> Option<u64> {
        None
    }

    /// The record with this id.
    pub fn get(&self, id: u64) -> Result<Option<TrajectoryRecord>> {
        let _ = id;
        Err(pending())
    }

    /// The records with these ids, at most `limit`.
    pub fn scan(&self, ids: RangeInclusive<u64>, order: Order, limit: Option<usize>) -> Result<TrajectoryScan> {
        let _ = (ids, order, limit);
        Err(pending())
    }

    /// Removes what the policy does not keep, seen from `now_ms`.
    pub fn retain(&self, policy: &RetentionPolicy, now_ms: u64) -> Result<Retained> {
        let _ = (policy, now_ms);
        Err(pending())
    }
}

/// The records of a scan, read a segment at a time; it owns what it needs and may outlive the log.
#[derive(Debug)]
pub struct TrajectoryScan {}

impl Iterator for TrajectoryScan {
    type Item = Result<TrajectoryRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

fn pending() -> Error {
    Error::internal("the log's segments are being written")
}
