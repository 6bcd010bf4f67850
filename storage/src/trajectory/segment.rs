//! One segment: a file of records behind a header.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::files;
use super::header::{HEADER_BYTES, encode_header};
use super::records::{RecordReader, encode_records};
use crate::error::{Error, Result};

/// A segment that is open for writing.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    /// Whether a sync of it failed.
    distrusted: AtomicBool,
}

impl Segment {
    /// Makes a segment. It replaces a file of that name, whose header was never complete.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = open.map_err(|e| Error::io("create", path, e))?;
        file.write_all_at(&encode_header(), 0).map_err(|e| Error::io("write", path, e))?;
        Ok(Self::new(file, path))
    }

    /// Opens a segment to write on from `end`, cutting off what follows.
    pub(super) fn reopen(path: &Path, end: u64) -> Result<Self> {
        let open = OpenOptions::new().read(true).write(true).open(path);
        let file = open.map_err(|e| Error::io("open", path, e))?;
        if end <= HEADER_BYTES as u64 {
            return Self::create(path);
        }
        file.set_len(end).map_err(|e| Error::io("cut the torn tail of", path, e))?;
        Ok(Self::new(file, path))
    }

    pub(super) fn new(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), distrusted: AtomicBool::new(false) }
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| {
            // The written part is cut off, so that nothing of it is taken for records behind a shorter one. If that fails
            // too, checksums still tell.
            let _ = self.file.set_len(offset);
            Error::io("write", &self.path, e)
        })
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| {
            self.distrust();
            Error::io("sync", &self.path, e)
        })
    }

    /// Makes the next flush replace it.
    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    /// Puts the records of its first `bytes` bytes into a new file, syncs that and gives it the name of this one.
    pub(super) fn replace(&self, bytes: u64) -> Result<Self> {
        let path = files::replacement_path(&self.path);
        let replaced = self.copy(&path, bytes).and_then(|copy| {
            fs::rename(&path, &self.path).map_err(|e| Error::io("rename", &path, e))?;
            Ok(Self::new(copy.file, &self.path))
        });
        if replaced.is_err() {
            let _ = fs::remove_file(&path);
        }
        replaced
    }

    fn copy(&self, path: &Path, bytes: u64) -> Result<Self> {
        let file = File::open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
        let mut reader = RecordReader::open(&self.path, file, bytes)?;
        let copy = Self::create(path)?;
        let mut offset = HEADER_BYTES as u64;
        while let Some(record) = reader.next_record()? {
            let bytes = encode_records(std::slice::from_ref(&record))?;
            copy.write(offset, &bytes)?;
            offset += bytes.len() as u64;
        }
        copy.sync()?;
        Ok(copy)
    }
}
