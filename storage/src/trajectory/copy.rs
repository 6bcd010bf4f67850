//! Copying a log into another directory while it is written.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::entry::LogPosition;
use super::files::{Listing, length, open_file, open_segment, segment_name};
use super::log::{TrajectoryLog, sync_directory};
use super::segment::copy_bytes;
use crate::backend::{FileDirectory, StorageBackend, StorageDirectory};
use crate::error::{Error, Result};

/// What [`TrajectoryLog::copy_to`] made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCopy {
    /// Everything before it is in the copy.
    pub end: LogPosition,
    /// Files of the copy.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that are hard links to the log's own, so that they take no space as long as it keeps them.
    pub linked: u64,
}

/// A file that is copied, opened so that retention may remove its name meanwhile.
struct Copied {
    name: String,
    file: Arc<dyn StorageBackend>,
    bytes: u64,
    /// Whether it never changes again.
    is_closed: bool,
}

impl TrajectoryLog {
    /// Makes everything appended before the call durable, and a copy of the log up to there in `into`, which must not
    /// hold one. The copy is durable when this returns, opens as a log does, and damage is in it as it is here. Where the
    /// file system has hard links, closed segments are linked: none of the two logs ever changes one.
    pub fn copy_to(&self, into: &Path) -> Result<LogCopy> {
        let target = FileDirectory::create(into).map_err(|e| Error::io("create the directory", into, e))?;
        if !Listing::look(&target)?.segments.is_empty() {
            let name = into.display().to_string();
            return Err(Error::AlreadyExists { kind: "trajectory log", name });
        }
        let end = self.flush_to()?;
        let mut copy = LogCopy { end, ..LogCopy::default() };
        for copied in self.copied(end)? {
            let linked = copied.is_closed
                && fs::hard_link(self.directory.path().join(&copied.name), into.join(&copied.name)).is_ok();
            if !linked {
                copied.write(into)?;
            }
            copy.files += 1;
            copy.bytes += copied.bytes;
            copy.linked += u64::from(linked);
        }
        sync_directory(&target)?;
        Ok(copy)
    }

    /// The files of the log up to this position.
    fn copied(&self, end: LogPosition) -> Result<Vec<Copied>> {
        let directory: &dyn StorageDirectory = self.directory.as_ref();
        let mut files = Vec::new();
        for path in self.set_aside() {
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                let file = open_file(directory, name)?;
                files.push(Copied {
                    name: name.to_owned(),
                    bytes: length(file.as_ref())?,
                    file,
                    is_closed: true,
                });
            }
        }
        let segments = self.segments.lock();
        for number in segments.all.range(..=end.segment).map(|(number, _)| *number) {
            let file = open_segment(directory, number)?;
            let is_closed = number < end.segment;
            let bytes = if is_closed { length(file.as_ref())? } else { end.offset };
            files.push(Copied { name: segment_name(number), file, bytes, is_closed });
        }
        Ok(files)
    }
}

impl Copied {
    fn write(&self, into: &Path) -> Result<()> {
        let path = into.join(&self.name);
        let mut copy = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        copy_bytes(self.file.as_ref(), self.bytes, &mut |_, part| {
            copy.write_all(part).map_err(|e| Error::io("write", &path, e))
        })?;
        copy.sync_all().map_err(|e| Error::io("sync", &path, e))
    }
}
