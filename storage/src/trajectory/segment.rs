//! One segment: a file of records behind a header.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::entry::{SegmentFormat, SegmentLength, TrajectoryRecord};
use super::files::{open_segment, replacement_name, segment_name, segment_path};
use super::header::{HEADER_BYTES, encode_header};
use super::records::RecordReader;
use crate::backend::{StorageBackend, StorageDirectory};
use crate::error::{Error, Result};
use crate::integer::to_usize;

/// How much is copied at a time.
const COPIED_BYTES: u64 = 1 << 20;

/// A segment that is open for writing.
#[derive(Debug)]
pub(super) struct Segment {
    directory: Arc<dyn StorageDirectory>,
    number: u64,
    file: Arc<dyn StorageBackend>,
    /// Whether a sync of it failed.
    distrusted: AtomicBool,
}

impl Segment {
    /// Makes a segment and syncs it, so that after a loss of power its header is a whole one. It replaces a file of that
    /// name, which never held a record. Returns its length too.
    pub(super) fn create(
        directory: &Arc<dyn StorageDirectory>,
        number: u64,
        previous: Option<SegmentLength>,
    ) -> Result<(Self, u64)> {
        let segment = Self::open(directory, number, &segment_name(number))?;
        let mut bytes = encode_header(number);
        if let Some(previous) = previous {
            let offset = HEADER_BYTES as u64;
            bytes.extend_from_slice(&SegmentFormat::newest(number).encode_follows(previous, offset));
        }
        segment.file.set_len(0).map_err(|e| Error::io("empty", &segment.path(), e))?;
        segment.file.write(0, &bytes).map_err(|e| Error::io("write", &segment.path(), e))?;
        segment.sync()?;
        Ok((segment, bytes.len() as u64))
    }

    /// Opens a segment to write on from `end`, cutting off what follows.
    pub(super) fn reopen(directory: &Arc<dyn StorageDirectory>, number: u64, end: u64) -> Result<Self> {
        let segment = Self::open(directory, number, &segment_name(number))?;
        segment.file.set_len(end).map_err(|e| Error::io("cut the torn tail of", &segment.path(), e))?;
        Ok(segment)
    }

    fn open(directory: &Arc<dyn StorageDirectory>, number: u64, name: &str) -> Result<Self> {
        let opened = directory.open(name, &segment_name(number));
        let file = opened.map_err(|e| Error::io("open", &directory.path().join(name), e))?;
        Ok(Self::new(directory, number, file))
    }

    pub(super) fn new(
        directory: &Arc<dyn StorageDirectory>,
        number: u64,
        file: Arc<dyn StorageBackend>,
    ) -> Self {
        Self { directory: Arc::clone(directory), number, file, distrusted: AtomicBool::new(false) }
    }

    fn path(&self) -> PathBuf {
        segment_path(self.directory.path(), self.number)
    }

    /// Writes records at its end and returns how many bytes they took.
    pub(super) fn append(&self, end: u64, records: &[TrajectoryRecord]) -> Result<u64> {
        let bytes = SegmentFormat::newest(self.number).encode_records(records, end)?;
        self.write(end, &bytes)?;
        Ok(bytes.len() as u64)
    }

    /// Writes at its end that everything before is synced, and returns how many bytes that took.
    pub(super) fn append_synced(&self, end: u64) -> Result<u64> {
        let bytes = SegmentFormat::newest(self.number).encode_synced(end);
        self.write(end, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write(offset, bytes).map_err(|e| {
            // The written part is cut off, so that nothing of it is taken for records behind a shorter one. If that fails
            // too, checksums still tell.
            let _ = self.file.set_len(offset);
            Error::io("write", &self.path(), e)
        })
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|e| {
            self.distrust();
            Error::io("sync", &self.path(), e)
        })
    }

    /// Makes the next flush replace it.
    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    /// Puts its first `bytes` bytes into a new file, checks and syncs that and gives it the name of this one.
    pub(super) fn replace(&self, bytes: u64) -> Result<Self> {
        let name = replacement_name(self.number);
        let replaced = self.copy(&name, bytes).and_then(|copy| {
            let renamed = self.directory.rename(&name, &segment_name(self.number));
            renamed.map_err(|e| Error::io("rename", &self.directory.path().join(&name), e))?;
            Ok(copy)
        });
        if replaced.is_err() {
            let _ = self.directory.remove(&name);
        }
        replaced
    }

    fn copy(&self, name: &str, bytes: u64) -> Result<Self> {
        let from = open_segment(self.directory.as_ref(), self.number)?;
        let copy = Self::open(&self.directory, self.number, name)?;
        copy.file.set_len(0).map_err(|e| Error::io("empty", &copy.path(), e))?;
        copy_bytes(from.as_ref(), bytes, &mut |offset, part| copy.write(offset, part))?;
        let mut reader = RecordReader::open(Arc::clone(&copy.file), self.number, bytes)?;
        while reader.next_entry()?.is_some() {}
        copy.sync()?;
        Ok(copy)
    }
}

/// Hands on the first `bytes` bytes of a file in parts, with the offset of each.
pub(super) fn copy_bytes(
    from: &dyn StorageBackend,
    bytes: u64,
    take: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut offset = 0;
    while offset < bytes {
        let mut part = vec![0; to_usize((bytes - offset).min(COPIED_BYTES))];
        from.read(offset, &mut part).map_err(|e| {
            if e.kind() == std::io::ErrorKind::UnexpectedEof {
                Error::corrupt(from.path(), offset, "a segment", "the file ends before its records do")
            } else {
                Error::io("read", from.path(), e)
            }
        })?;
        take(offset, &part)?;
        offset += part.len() as u64;
    }
    Ok(())
}
