//! Checking every record, and copying those that are whole into a new log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::{Chain, Gap};
use super::entry::{LogPosition, TrajectoryRecord};
use super::files::{Listing, SetAside, length, open_file, open_segment, segment_name};
use super::header::HEADER_BYTES;
use super::log::{LOCK_FILE, TrajectoryLog, TrajectoryLogOptions};
use super::records::{Behind, RecordReader};
use crate::backend::{FileDirectory, StorageBackend};
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

/// How many bytes of records are appended to the new log at a time.
const APPENDED_BYTES: usize = 1 << 20;

/// What [`TrajectoryLog::verify`] or [`salvage_trajectories`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Records that check.
    pub records: u64,
    /// What is damaged, in the order of the files.
    pub damages: Vec<LogDamage>,
}

/// A damaged range of bytes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The segment's file.
    pub file: PathBuf,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length, up to the next record that checks or the end.
    pub bytes: u64,
    /// How it is known to be damaged.
    pub reason: String,
}

impl TrajectoryLog {
    /// Reads every record and checks its checksum. Files that were set aside when the log was opened are damage as a
    /// whole, and so are missing ones. Records that are appended meanwhile are not looked at.
    pub fn verify(&self) -> Result<LogReport> {
        let files: Vec<_> = {
            let segments = self.segments.lock();
            let all = segments.all.iter();
            all.map(|(number, summary)| {
                // Opened now, so that retention may remove the name while it is read.
                let file = open_segment(self.directory.as_ref(), *number)?;
                Ok((*number, file, summary.bytes))
            })
            .collect::<Result<_>>()?
        };
        let mut report = LogReport::default();
        for (number, file, end) in files {
            read_segment(file, number, end, &mut report, &mut |_| Ok(()))?;
        }
        report.add_gaps(&self.gaps, self.directory.path());
        for path in self.set_aside() {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let file = open_file(self.directory.as_ref(), name)?;
            report.damages.push(LogDamage {
                file: path.clone(),
                offset: 0,
                bytes: length(file.as_ref())?,
                reason: "the header of the segment was damaged, and it was set aside".to_owned(),
            });
        }
        Ok(report)
    }
}

impl LogReport {
    fn add_gaps(&mut self, gaps: &[Gap], directory: &Path) {
        self.damages.extend(gaps.iter().map(|gap| LogDamage {
            file: gap.path(directory),
            offset: 0,
            bytes: 0,
            reason: gap.reason(),
        }));
    }
}

/// Appends every record of the log in `damaged` that checks to a new log in `into`: those of segments that were set
/// aside too. The damaged log is not changed. What was left out is in the report, and so is an end before that which the log
/// has once `reached`.
pub fn salvage_trajectories(damaged: &Path, into: &Path, reached: LogPosition) -> Result<LogReport> {
    let _lock = DirectoryLock::acquire(damaged, LOCK_FILE, "salvage")?;
    let directory = FileDirectory::new(damaged);
    let listing = Listing::look(&directory)?;
    let chain = Chain::read(&directory, &listing, reached)?;
    let newest = listing.segments.last().copied();
    let segments =
        listing.segments.iter().map(|number| SetAside { name: segment_name(*number), number: *number });
    let mut files: Vec<SetAside> = segments.chain(listing.set_aside).collect();
    // In the order of their numbers, so that of two records with one id the later stays the later.
    files.sort();
    let log = TrajectoryLog::open(into, &TrajectoryLogOptions::default())?;
    let (mut report, mut pending, mut pending_bytes) = (LogReport::default(), Vec::new(), 0);
    for SetAside { name, number } in &files {
        let file = open_file(&directory, name)?;
        let is_segment = *name == segment_name(*number);
        let stated = chain.lengths.get(number).copied().filter(|_| is_segment).unwrap_or_default();
        let end = length(file.as_ref())?.max(stated);
        let known = report.damages.len();
        read_segment(file, *number, end, &mut report, &mut |record| {
            pending_bytes += record.payload.len();
            pending.push(record);
            if pending_bytes >= APPENDED_BYTES {
                log.append(&pending)?;
                pending.clear();
                pending_bytes = 0;
            }
            Ok(())
        })?;
        // A torn entry at the end of the newest segment was never acknowledged, so it is no damage.
        let is_torn = |damage: &LogDamage| {
            damage.offset + damage.bytes == end && (damage.offset > 0 || end <= HEADER_BYTES as u64)
        };
        let is_newest = is_segment && Some(*number) == newest && chain.lost_end.is_none();
        if is_newest && report.damages.len() > known && report.damages.last().is_some_and(is_torn) {
            report.damages.pop();
        }
    }
    report.add_gaps(&chain.gaps, damaged);
    log.append(&pending)?;
    log.flush()?;
    Ok(report)
}

/// Reads a segment up to `end`, notes its damage and hands on its records that check.
fn read_segment(
    file: Arc<dyn StorageBackend>,
    number: u64,
    end: u64,
    report: &mut LogReport,
    take: &mut dyn FnMut(TrajectoryRecord) -> Result<()>,
) -> Result<()> {
    let path = file.path().to_owned();
    let (mut reader, header) = RecordReader::open_damaged(file, number, end)?;
    if let Some(Error::Corrupt { reason, .. }) = header {
        report.damages.push(LogDamage {
            file: path.clone(),
            offset: 0,
            bytes: end.min(HEADER_BYTES as u64),
            reason,
        });
    }
    loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                report.records += 1;
                take(record)?;
            }
            Ok(None) => return Ok(()),
            Err(Error::Corrupt { offset, reason, .. }) => {
                let behind = reader.skip_damage()?;
                let goes_on = matches!(behind, Behind::Entry(_));
                let until = if goes_on { reader.offset } else { end };
                report.damages.push(LogDamage {
                    file: path.clone(),
                    offset,
                    bytes: until.saturating_sub(offset),
                    reason,
                });
                if !goes_on {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}
