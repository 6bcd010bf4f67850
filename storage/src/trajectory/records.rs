//! Records: encoding them, reading them in order, and finding the next one behind damage.
//!
//! ```text
//!   0 | length of the payload          | 4
//!   4 | CRC-32C of the bytes from 8 on | 4
//!   8 | id                             | 8
//!  16 | milliseconds since 1970        | 8
//!  24 | payload                        | n
//! ```

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::header::{HEADER_BYTES, check_header};
use crate::checksum::{crc32c, crc32c_parts};
use crate::error::{Error, Result};

const RECORD_HEADER: usize = 24;
/// Longest payload of a record.
const MAX_PAYLOAD: usize = 256 << 20;
/// How many bytes one search for the next record checksums at most. Only contrived bytes need more.
const SEARCH_BYTES: u64 = 1 << 32;

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

/// The bytes of records, as a segment has them.
pub(super) fn encode_records(records: &[TrajectoryRecord]) -> Result<Vec<u8>> {
    let total: usize = records.iter().map(|record| RECORD_HEADER + record.payload.len()).sum();
    let mut bytes = Vec::with_capacity(total);
    for record in records {
        let len = u32::try_from(record.payload.len()).ok().filter(|_| record.payload.len() <= MAX_PAYLOAD);
        let len = len.ok_or_else(|| {
            let reason =
                format!("{} bytes are more than the {MAX_PAYLOAD} of a record", record.payload.len());
            Error::argument("payload", reason)
        })?;
        let mut body = record.id.to_le_bytes().to_vec();
        body.extend_from_slice(&record.time_ms.to_le_bytes());
        let crc = crc32c_parts(&[&body, &record.payload]);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&record.payload);
    }
    Ok(bytes)
}

/// What lies behind a record that does not check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A record that checks, this many bytes behind the beginning of the one that does not.
    Record(usize),
    /// No record that checks.
    Nothing,
    /// The search was given up.
    Unknown,
}

/// Reads the records of a segment in the order they were appended.
#[derive(Debug)]
pub(super) struct RecordReader {
    reader: BufReader<File>,
    path: PathBuf,
    /// Where the next record begins.
    pub(super) offset: u64,
    end: u64,
}

impl RecordReader {
    /// Begins at the first record; `end` is where the segment ended when it was looked at.
    pub(super) fn open(path: &Path, file: File, end: u64) -> Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut header = [0u8; HEADER_BYTES];
        read_exact(&mut reader, &mut header, path, 0)?;
        check_header(path, &header)?;
        Ok(Self { reader, path: path.to_owned(), offset: HEADER_BYTES as u64, end })
    }

    /// Begins at the first record, also behind a damaged header, whose reason is returned. A header of another version
    /// of the format is refused.
    pub(super) fn open_damaged(path: &Path, file: File, end: u64) -> Result<(Self, Option<String>)> {
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut header = [0u8; HEADER_BYTES];
        let read = read_exact(&mut reader, &mut header, path, 0);
        let reason = match read.and_then(|()| check_header(path, &header)) {
            Ok(()) => None,
            Err(Error::Corrupt { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
        };
        let offset = HEADER_BYTES as u64;
        let path = path.to_owned();
        Ok((Self { reader, path, offset, end }, reason))
    }

    /// Goes forward to an offset where a record begins.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<()> {
        if offset > self.offset {
            self.offset = offset;
            self.reader.seek(SeekFrom::Start(offset)).map_err(|e| Error::io("read", &self.path, e))?;
        }
        Ok(())
    }

    /// The next record; `None` at the end. After [`Error::Corrupt`] only [`Self::skip_damage`] leads on.
    pub(super) fn next_record(&mut self) -> Result<Option<TrajectoryRecord>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let (mut header, mut id, mut time) = ([0u8; 8], [0u8; 8], [0u8; 8]);
        for field in [&mut header, &mut id, &mut time] {
            read_exact(&mut self.reader, field, &self.path, self.offset)?;
        }
        let [l0, l1, l2, l3, crc @ ..] = header;
        let (len, crc) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes(crc));
        let left = self.end.saturating_sub(self.offset).saturating_sub(RECORD_HEADER as u64);
        if u64::from(len) > left || len as usize > MAX_PAYLOAD {
            return Err(self.corrupt("it is longer than its segment"));
        }
        let mut payload = vec![0; len as usize];
        read_exact(&mut self.reader, &mut payload, &self.path, self.offset)?;
        if crc32c_parts(&[&id, &time, &payload]) != crc {
            return Err(self.corrupt("its checksum does not match"));
        }
        self.offset += (RECORD_HEADER + payload.len()) as u64;
        Ok(Some(TrajectoryRecord { id: u64::from_le_bytes(id), time_ms: u64::from_le_bytes(time), payload }))
    }

    /// Goes on to the next record that checks, from one that does not.
    pub(super) fn skip_damage(&mut self) -> Result<Behind> {
        let file = self.reader.get_ref();
        let len = file.metadata().map_err(|e| Error::io("measure", &self.path, e))?.len();
        let left = self.end.min(len).saturating_sub(self.offset);
        let Ok(left) = usize::try_from(left) else {
            return Ok(Behind::Unknown);
        };
        let mut rest = vec![0; left];
        file.read_exact_at(&mut rest, self.offset).map_err(|e| Error::io("read", &self.path, e))?;
        let behind = search(&rest);
        if let Behind::Record(distance) = behind {
            self.offset += distance as u64;
            self.reader.seek(SeekFrom::Start(self.offset)).map_err(|e| Error::io("read", &self.path, e))?;
        }
        Ok(behind)
    }

    fn corrupt(&self, reason: &str) -> Error {
        Error::corrupt(&self.path, self.offset, "a trajectory", reason)
    }
}

/// The next record that checks behind the one that these bytes begin with, which does not.
fn search(rest: &[u8]) -> Behind {
    let mut budget = SEARCH_BYTES;
    // Its own length is tried first, because its payload may hold bytes that look like a record.
    let by_its_length = framed(rest).map(<[u8]>::len);
    for distance in by_its_length.into_iter().chain(1..rest.len()) {
        let Some(record) = rest.get(distance..).and_then(framed) else {
            continue;
        };
        let Some(left) = budget.checked_sub(record.len() as u64) else {
            return Behind::Unknown;
        };
        budget = left;
        let (crc, body) = split_u32(split_u32(record).1);
        if crc32c(body) == crc {
            return Behind::Record(distance);
        }
    }
    Behind::Nothing
}

/// The record that these bytes would begin with, by its length alone.
fn framed(bytes: &[u8]) -> Option<&[u8]> {
    let len = split_u32(bytes).0 as usize;
    if len > MAX_PAYLOAD {
        return None;
    }
    bytes.get(..RECORD_HEADER + len)
}

fn split_u32(bytes: &[u8]) -> (u32, &[u8]) {
    bytes.split_first_chunk().map_or((0, bytes), |(first, rest)| (u32::from_le_bytes(*first), rest))
}

fn read_exact(reader: &mut impl Read, bytes: &mut [u8], path: &Path, offset: u64) -> Result<()> {
    reader.read_exact(bytes).map_err(|e| {
        if e.kind() == ErrorKind::UnexpectedEof {
            Error::corrupt(path, offset, "a trajectory", "the file ends in it")
        } else {
            Error::io("read", path, e)
        }
    })
}
