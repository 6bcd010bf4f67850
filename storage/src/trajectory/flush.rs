//! Making durable what was appended.
//!
//! After a failed sync the kernel may count pages as written that never reached the disk, so that a second sync of the
//! same file succeeds. So a segment is not synced again after a failure. The next flush reads its records back, checks
//! them, and syncs them in a new file that replaces the old one; until that succeeds, no flush does.

use std::sync::Arc;

use super::entry::LogPosition;
use super::log::{Segments, TrajectoryLog, sync_directory};
use crate::error::Result;

impl TrajectoryLog {
    /// Returns once everything appended before the call is on disk. After an error it may be called again.
    pub fn flush(&self) -> Result<()> {
        self.flush_to().map(|_| ())
    }

    /// Flushes, and returns up to where everything is on disk.
    pub(super) fn flush_to(&self) -> Result<LogPosition> {
        // The kernel reports a failure once, so that the second of two syncs at a time would report success.
        let _one_at_a_time = self.flushing.lock();
        let (newest, end, unsynced, directory_changed) = {
            let mut segments = self.segments.lock();
            if let Some(failure) = segments.failure.take() {
                return Err(failure);
            }
            segments.replace_distrusted()?;
            let changed = std::mem::take(&mut segments.directory_changed);
            (Arc::clone(&segments.newest), segments.end(), segments.unsynced.clone(), changed)
        };
        let pending = || unsynced.values().chain([&newest]);
        let synced = pending().try_for_each(|segment| segment.sync()).and_then(|()| {
            if !directory_changed {
                return Ok(());
            }
            // The names in the directory may be lost as the pages of a segment are.
            let synced = sync_directory(self.directory.as_ref());
            synced.inspect_err(|_| pending().for_each(|segment| segment.distrust()))
        });
        let mut segments = self.segments.lock();
        segments.directory_changed |= directory_changed && synced.is_err();
        synced?;
        segments.unsynced.retain(|number, _| !unsynced.contains_key(number));
        segments.mark_synced(end);
        Ok(end)
    }
}

impl Segments {
    /// The end of the newest segment.
    fn end(&self) -> LogPosition {
        let newest = self.all.last_key_value();
        newest.map_or_else(LogPosition::default, |(number, summary)| LogPosition {
            segment: *number,
            offset: summary.bytes,
        })
    }

    /// Writes behind the records that they are synced, unless others were appended meanwhile. It is for finding damage,
    /// so that it need not be durable itself, and a full disk is no reason for a flush to fail.
    fn mark_synced(&mut self, synced: LogPosition) {
        if self.end() == synced
            && let Some(mut newest) = self.all.last_entry()
            && newest.get().ends_with_a_record()
            && let Ok(bytes) = self.newest.append_synced(synced.offset)
        {
            newest.get_mut().bytes += bytes;
        }
    }

    /// Replaces the segments whose sync failed.
    fn replace_distrusted(&mut self) -> Result<()> {
        for (number, segment) in &mut self.unsynced {
            if let (true, Some(summary)) = (segment.is_distrusted(), self.all.get(number)) {
                *segment = Arc::new(segment.replace(summary.bytes)?);
                self.directory_changed = true;
            }
        }
        if let (true, Some((_, summary))) = (self.newest.is_distrusted(), self.all.last_key_value()) {
            self.newest = Arc::new(self.newest.replace(summary.bytes)?);
            self.directory_changed = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::backend::FileBackend;
    use crate::error::Error;
    use crate::trajectory::entry::TrajectoryRecord;
    use crate::trajectory::files::segment_path;
    use crate::trajectory::log::TrajectoryLogOptions;
    use crate::trajectory::scan::Order;
    use crate::trajectory::segment::Segment;

    fn record(id: u64) -> TrajectoryRecord {
        TrajectoryRecord { id, time_ms: id, payload: vec![7; 100] }
    }

    fn open(directory: &Path) -> TrajectoryLog {
        TrajectoryLog::open(directory, &TrajectoryLogOptions::default()).unwrap()
    }

    fn ids(log: &TrajectoryLog) -> Vec<u64> {
        let scan = log.scan(0..=u64::MAX, Order::Ascending, None).unwrap();
        scan.map(|record| record.unwrap().id).collect()
    }

    /// From now on the newest segment is a device that takes everything and that no sync succeeds on.
    fn fail_syncs(log: &TrajectoryLog) {
        let device = Arc::new(FileBackend::open(Path::new("/dev/null")).unwrap());
        log.segments.lock().newest = Arc::new(Segment::new(&log.directory, 1, device));
    }

    /// A log of ids 1 to 5, of which 4 and 5 were not synced when a sync failed.
    fn failed(directory: &Path) -> (TrajectoryLog, PathBuf, u64) {
        let log = open(directory);
        let path = segment_path(directory, 1);
        log.append(&[record(1), record(2), record(3)]).unwrap();
        log.flush().unwrap();
        let synced = fs::metadata(&path).unwrap().len();
        log.append(&[record(4), record(5)]).unwrap();
        fail_syncs(&log);
        log.flush().unwrap_err();
        (log, path, synced)
    }

    #[test]
    fn after_a_failed_sync_the_records_are_synced_in_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (log, path, _) = failed(directory.path());
        let before = fs::metadata(&path).unwrap().ino();
        log.flush().unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(ids(&log), [1, 2, 3, 4, 5]);
        log.append(&[record(6)]).unwrap();
        log.flush().unwrap();
        drop(log);
        assert_eq!(ids(&open(directory.path())), [1, 2, 3, 4, 5, 6]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "the log and its lock");
    }

    #[test]
    fn a_closed_segment_whose_sync_failed_is_written_anew_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = segment_path(directory.path(), 1);
        let options = TrajectoryLogOptions { segment_bytes: 1, reached: LogPosition::BEGINNING };
        let log = TrajectoryLog::open(directory.path(), &options).unwrap();
        log.append(&[record(1)]).unwrap();
        fail_syncs(&log);
        log.append(&[record(2)]).unwrap();
        log.flush().unwrap_err();
        let before = fs::metadata(&path).unwrap().ino();
        log.flush().unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), before);
        drop(log);
        assert_eq!(ids(&open(directory.path())), [1, 2]);
    }

    #[test]
    fn no_flush_succeeds_once_records_were_lost_with_a_failed_sync() {
        let directory = tempfile::tempdir().unwrap();
        let (log, path, synced) = failed(directory.path());
        let file = File::options().write(true).open(&path).unwrap();
        let lost = fs::metadata(&path).unwrap().len() - synced;
        file.write_all_at(&vec![0; usize::try_from(lost).unwrap()], synced).unwrap();
        for _ in 0..3 {
            assert!(matches!(log.flush(), Err(Error::Corrupt { .. })));
        }
        drop(log);
        assert_eq!(ids(&open(directory.path())), [1, 2, 3]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "the log and its lock");
    }
}
