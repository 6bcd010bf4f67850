//! Reading a segment: its entries in order, and the next one behind damage.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::entry::{ENTRY_HEADER, Entry, SegmentFormat, TrajectoryRecord};
use super::header::{HEADER_BYTES, SegmentVersion, decode_header};
use crate::backend::StorageBackend;
use crate::error::{Error, Result};
use crate::integer::to_usize;

/// How much of a segment is read at a time.
const WINDOW_BYTES: u64 = 1 << 16;
/// How many bytes one search for the next entry checksums at most. Only contrived bytes need more.
const SEARCH_BYTES: u64 = 1 << 32;

/// What lies behind an entry that does not check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// An entry that checks, this many bytes behind the beginning of the one that does not.
    Entry(usize),
    /// No entry that checks.
    Nothing,
    /// The search was given up.
    Unknown,
}

/// Reads the entries of a segment in the order they were appended.
#[derive(Debug)]
pub(super) struct RecordReader {
    file: Arc<dyn StorageBackend>,
    format: SegmentFormat,
    /// Where the next entry begins.
    pub(super) offset: u64,
    end: u64,
    /// Where the file ends, if it does before `end`.
    readable: u64,
    window: Window,
}

/// The part of a file that was read last.
#[derive(Debug, Default)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

impl RecordReader {
    /// Begins at the first entry; `end` is where the segment of this number ended when it was looked at.
    pub(super) fn open(file: Arc<dyn StorageBackend>, number: u64, end: u64) -> Result<Self> {
        match Self::open_damaged(file, number, end)? {
            (reader, None) => Ok(reader),
            (_, Some(error)) => Err(error),
        }
    }

    /// Begins at the first entry, also behind a damaged header, whose damage is returned. A header of a version of the
    /// format that this build does not know is refused.
    pub(super) fn open_damaged(
        file: Arc<dyn StorageBackend>,
        number: u64,
        end: u64,
    ) -> Result<(Self, Option<Error>)> {
        let len = file.len().map_err(|e| Error::io("measure", file.path(), e))?;
        let mut reader = Self {
            format: SegmentFormat::newest(number),
            offset: HEADER_BYTES as u64,
            end,
            readable: end.min(len),
            window: Window::default(),
            file,
        };
        let mut header = [0; HEADER_BYTES];
        let decoded =
            reader.read(0, &mut header).and_then(|()| decode_header(reader.path(), number, &header));
        match decoded {
            Ok(version) => {
                reader.format.version = version;
                Ok((reader, None))
            }
            Err(error @ Error::Corrupt { .. }) => {
                reader.format.version = reader.version_behind_a_damaged_header()?;
                Ok((reader, Some(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// The version of which something checks behind the header.
    fn version_behind_a_damaged_header(&mut self) -> Result<SegmentVersion> {
        let offset = self.offset;
        for version in [SegmentVersion::Two, SegmentVersion::One] {
            self.format.version = version;
            let found = match self.next_entry() {
                Ok(found) => found.is_some(),
                Err(Error::Corrupt { .. }) => matches!(self.skip_damage()?, Behind::Entry(_)),
                Err(error) => return Err(error),
            };
            self.offset = offset;
            if found {
                return Ok(version);
            }
        }
        Ok(SegmentVersion::Two)
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn version(&self) -> SegmentVersion {
        self.format.version
    }

    /// Goes forward to an offset where an entry begins.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    /// The next record; `None` at the end. After [`Error::Corrupt`] only [`Self::skip_damage`] leads on.
    pub(super) fn next_record(&mut self) -> Result<Option<TrajectoryRecord>> {
        loop {
            match self.next_entry()? {
                Some(Entry::Record(record)) => return Ok(Some(record)),
                Some(Entry::Follows(_) | Entry::Synced) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next entry, as [`Self::next_record`] reads records.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut header = [0; ENTRY_HEADER];
        self.read(self.offset, &mut header)?;
        let left = self.end.saturating_sub(self.offset).saturating_sub(ENTRY_HEADER as u64);
        let length = self.format.payload_length(&header).filter(|length| *length as u64 <= left);
        let Some(length) = length else {
            return Err(self.corrupt("it is longer than its segment"));
        };
        if ENTRY_HEADER as u64 + length as u64 > self.readable.saturating_sub(self.offset) {
            return Err(self.corrupt("the file ends in it"));
        }
        let mut payload = vec![0; length];
        self.read(self.offset + ENTRY_HEADER as u64, &mut payload)?;
        if !self.format.checks(self.offset, &header, &payload) {
            return Err(self.corrupt("its checksum does not match"));
        }
        self.offset += (ENTRY_HEADER + length) as u64;
        Ok(Some(self.format.decode(&header, payload)))
    }

    /// Goes on to the next entry that checks, from one that does not.
    pub(super) fn skip_damage(&mut self) -> Result<Behind> {
        let left = self.readable.saturating_sub(self.offset);
        let Ok(left) = usize::try_from(left) else {
            return Ok(Behind::Unknown);
        };
        let mut rest = vec![0; left];
        self.read(self.offset, &mut rest)?;
        let behind = search(self.format, self.offset, &rest);
        if let Behind::Entry(distance) = behind {
            self.offset += distance as u64;
        }
        Ok(behind)
    }

    /// Fills `bytes` from the file.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let len = bytes.len() as u64;
        let left = self.readable.saturating_sub(offset);
        if left < len {
            return Err(self.corrupt("the file ends in it"));
        }
        let read = if len >= WINDOW_BYTES {
            self.file.read(offset, bytes)
        } else {
            self.window.read(self.file.as_ref(), offset, left, bytes)
        };
        read.map_err(|e| {
            if e.kind() == ErrorKind::UnexpectedEof {
                self.corrupt("the file ends in it")
            } else {
                Error::io("read", self.path(), e)
            }
        })
    }

    fn corrupt(&self, reason: &str) -> Error {
        Error::corrupt(self.path(), self.offset, "a trajectory", reason)
    }
}

impl Window {
    /// Fills `bytes`, of which the file has `left` or more at `offset`.
    fn read(
        &mut self,
        file: &dyn StorageBackend,
        offset: u64,
        left: u64,
        bytes: &mut [u8],
    ) -> std::io::Result<()> {
        if let Some(found) = self.get(offset, bytes.len()) {
            bytes.copy_from_slice(found);
            return Ok(());
        }
        self.bytes.clear();
        self.bytes.resize(to_usize(left.min(WINDOW_BYTES)), 0);
        self.offset = offset;
        file.read(offset, &mut self.bytes).inspect_err(|_| self.bytes.clear())?;
        let found = self.get(offset, bytes.len()).ok_or(ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = to_usize(offset.checked_sub(self.offset)?);
        self.bytes.get(start..start.checked_add(len)?)
    }
}

/// The next entry that checks behind the one that these bytes at `offset` begin with, which does not.
fn search(format: SegmentFormat, offset: u64, rest: &[u8]) -> Behind {
    let mut budget = SEARCH_BYTES;
    // Its own length is tried first, because its payload may hold bytes that look like an entry.
    let by_its_length = framed(format, rest).map(|(_, payload)| ENTRY_HEADER + payload.len());
    for distance in by_its_length.into_iter().chain(1..rest.len()) {
        let Some((header, payload)) = rest.get(distance..).and_then(|bytes| framed(format, bytes)) else {
            continue;
        };
        let Some(left) = budget.checked_sub((ENTRY_HEADER + payload.len()) as u64) else {
            return Behind::Unknown;
        };
        budget = left;
        if format.checks(offset + distance as u64, header, payload) {
            return Behind::Entry(distance);
        }
    }
    Behind::Nothing
}

/// The entry that these bytes would begin with, by its length alone.
fn framed(format: SegmentFormat, bytes: &[u8]) -> Option<(&[u8; ENTRY_HEADER], &[u8])> {
    let (header, rest) = bytes.split_first_chunk()?;
    Some((header, rest.get(..format.payload_length(header)?)?))
}
