//! One segment: a file of records.
//!
//! Header, 16 bytes: magic, version, 0. Record: length of the payload (u32), CRC-32C of what follows it (u32),
//! id (u64), time (u64), payload. All little-endian.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::TrajectoryRecord;
use crate::error::{DisplayPath, Error, Result};

const MAGIC: &[u8; 8] = b"HSTRAJ\r\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;
const RECORD_HEADER: usize = 24;
/// Longest payload of a record.
pub(super) const MAX_PAYLOAD: usize = 256 << 20;

/// A segment that is open for writing.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
}

/// What is known of a segment without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentSummary {
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) min_id: u64,
    pub(super) max_id: u64,
    pub(super) max_time_ms: u64,
}

impl SegmentSummary {
    pub(super) fn empty() -> Self {
        Self {
            bytes: HEADER_BYTES as u64,
            min_id: u64::MAX,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, records: &[TrajectoryRecord], bytes: u64) {
        self.bytes += bytes;
        for record in records {
            self.note(record.id, record.time_ms);
        }
    }

    fn note(&mut self, id: u64, time_ms: u64) {
        self.records += 1;
        self.min_id = self.min_id.min(id);
        self.max_id = self.max_id.max(id);
        self.max_time_ms = self.max_time_ms.max(time_ms);
    }

    pub(super) fn overlaps(&self, ids: &RangeInclusive<u64>) -> bool {
        self.records > 0 && self.min_id <= *ids.end() && self.max_id >= *ids.start()
    }
}

impl Segment {
    /// Makes a segment. A file of that name that was never whole enough to count is written over.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        let file = open.map_err(|e| Error::io("create", path, e))?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.resize(HEADER_BYTES, 0);
        file.write_all_at(&header, 0)
            .map_err(|e| Error::io("write", path, e))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens a segment to write on from `end`, cutting off what follows.
    pub(super) fn reopen(path: &Path, end: u64) -> Result<Self> {
        let open = OpenOptions::new().read(true).write(true).open(path);
        let file = open.map_err(|e| Error::io("open", path, e))?;
        if end <= HEADER_BYTES as u64 {
            return Self::create(path);
        }
        file.set_len(end)
            .map_err(|e| Error::io("cut the torn tail of", path, e))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| {
            // What was written of it must not be taken for records behind a shorter one; if this fails too, their
            // checksums remain.
            let _ = self.file.set_len(offset);
            Error::io("write", &self.path, e)
        })
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|e| Error::io("sync", &self.path, e))
    }

    /// Reads through a segment. In the newest one everything after the last whole record is a torn tail; in
    /// the others damage ends the summary, whose ids then reach over everything that the rest could hold.
    pub(super) fn summarise(path: &Path, newest: bool) -> Result<SegmentSummary> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let len = file.metadata().map_err(|e| Error::io("measure", path, e))?.len();
        let mut summary = SegmentSummary::empty();
        let mut reader = match RecordReader::open(path, file, len) {
            Ok(reader) => reader,
            // A newest segment without a whole header was made by a process that died at once.
            Err(Error::Corrupt { .. }) if newest && len <= HEADER_BYTES as u64 => return Ok(summary),
            Err(Error::Corrupt { .. }) if !newest => return Ok(SegmentSummary::damaged(summary, len)),
            Err(error) => return Err(error),
        };
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    summary.note(record.id, record.time_ms);
                    summary.bytes = reader.offset;
                }
                Ok(None) => return Ok(summary),
                Err(Error::Corrupt { .. }) if newest => return Ok(summary),
                Err(Error::Corrupt { .. }) => return Ok(SegmentSummary::damaged(summary, len)),
                Err(error) => return Err(error),
            }
        }
    }
}

impl SegmentSummary {
    /// Every scan meets the damage of this segment and says so.
    fn damaged(mut summary: Self, len: u64) -> Self {
        summary.min_id = 0;
        summary.max_id = summary.max_id.max(summary.min_id);
        summary.records = summary.records.max(1);
        summary.bytes = len;
        summary
    }
}

/// The bytes of records, as a segment has them.
pub(super) fn encode_records(records: &[TrajectoryRecord]) -> Result<Vec<u8>> {
    let total: usize = records
        .iter()
        .map(|record| RECORD_HEADER + record.payload.len())
        .sum();
    let mut bytes = Vec::with_capacity(total);
    for record in records {
        let len = u32::try_from(record.payload.len())
            .ok()
            .filter(|_| record.payload.len() <= MAX_PAYLOAD);
        let len = len.ok_or_else(|| {
            let reason = format!(
                "{} bytes are more than the {MAX_PAYLOAD} of a record",
                record.payload.len()
            );
            Error::argument("payload", reason)
        })?;
        let mut body = record.id.to_le_bytes().to_vec();
        body.extend_from_slice(&record.time_ms.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&body), &record.payload);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&record.payload);
    }
    Ok(bytes)
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
        let (magic, rest) = header.split_at_checked(MAGIC.len()).unwrap_or_default();
        let version = rest
            .first_chunk()
            .map_or(0, |version| u32::from_le_bytes(*version));
        if magic != MAGIC {
            return Err(Error::corrupt(
                path,
                0,
                "the header of a segment",
                "it does not begin as one",
            ));
        }
        if version != VERSION {
            let path = DisplayPath(path.to_owned());
            return Err(Error::UnsupportedVersion {
                path,
                found: version,
                supported: VERSION,
            });
        }
        Ok(Self {
            reader,
            path: path.to_owned(),
            offset: HEADER_BYTES as u64,
            end,
        })
    }

    /// The next record; `None` at the end.
    pub(super) fn next_record(&mut self) -> Result<Option<TrajectoryRecord>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut header = [0u8; RECORD_HEADER];
        read_exact(&mut self.reader, &mut header, &self.path, self.offset)?;
        let (len, rest) = split_u32(&header);
        let (crc, body) = split_u32(rest);
        let left = self
            .end
            .saturating_sub(self.offset)
            .saturating_sub(RECORD_HEADER as u64);
        if u64::from(len) > left || len as usize > MAX_PAYLOAD {
            return Err(self.corrupt("it is longer than its segment"));
        }
        let mut payload = vec![0; len as usize];
        read_exact(&mut self.reader, &mut payload, &self.path, self.offset)?;
        if crc32c::crc32c_append(crc32c::crc32c(body), &payload) != crc {
            return Err(self.corrupt("its checksum does not match"));
        }
        self.offset += (RECORD_HEADER + payload.len()) as u64;
        let (id, time) = body.split_at_checked(8).unwrap_or_default();
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Some(TrajectoryRecord {
            id: number(id),
            time_ms: number(time),
            payload,
        }))
    }

    fn corrupt(&self, reason: &str) -> Error {
        Error::corrupt(&self.path, self.offset, "a trajectory", reason)
    }
}

fn split_u32(bytes: &[u8]) -> (u32, &[u8]) {
    bytes
        .split_first_chunk()
        .map_or((0, bytes), |(first, rest)| (u32::from_le_bytes(*first), rest))
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
