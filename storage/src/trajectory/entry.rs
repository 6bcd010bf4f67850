//! The entries of a segment: records, and marks that say something about the log.
//!
//! ```text
//!   0 | length of the payload, or the kind of a mark                                        | 4
//!   4 | CRC-32C of the segment's number (8), the entry's offset (8), bytes 0 to 4, and from 8 on | 4
//!   8 | id of the record, or a number                                                       | 8
//!  16 | milliseconds since 1970, or a number                                                | 8
//!  24 | payload; a mark has none                                                            | n
//! ```
//!
//! In version 1 the checksum covers the bytes from 8 on alone.

use super::header::SegmentVersion;
use crate::checksum::crc32c_parts;
use crate::error::{Error, Result};

pub(super) const ENTRY_HEADER: usize = 24;
/// Longest payload of a record.
pub(super) const MAX_PAYLOAD: usize = 256 << 20;
/// In the place of the length: the segment before this one, and its length.
const FOLLOWS: u32 = 0x8000_0001;
/// In the place of the length: everything before was synced.
const SYNCED: u32 = 0x8000_0002;

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

/// What a segment has behind its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Record(TrajectoryRecord),
    /// The first entry of a segment that has one before it.
    Follows(SegmentLength),
    /// Everything before it in its segment was synced before it was written: what does not check there is damage.
    Synced,
}

/// A position in a log, between two of its records; later positions are greater. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The number of the segment.
    pub segment: u64,
    /// The byte in it.
    pub offset: u64,
}

impl LogPosition {
    /// Before the first record of any log.
    pub const BEGINNING: Self = Self { segment: 0, offset: 0 };
}

/// How long a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentLength {
    pub(super) segment: u64,
    pub(super) bytes: u64,
}

/// What the checksums of a segment's entries depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentFormat {
    pub(super) version: SegmentVersion,
    pub(super) number: u64,
}

impl SegmentFormat {
    /// The format of the segments that are begun.
    pub(super) fn newest(number: u64) -> Self {
        Self { version: SegmentVersion::Two, number }
    }

    /// The checksum of an entry at this offset.
    fn checksum(self, offset: u64, length: [u8; 4], body: [&[u8]; 2]) -> u32 {
        let [fields, payload] = body;
        match self.version {
            SegmentVersion::One => crc32c_parts(&[fields, payload]),
            SegmentVersion::Two => {
                let at = [self.number.to_le_bytes(), offset.to_le_bytes()];
                crc32c_parts(&[at.as_flattened(), &length, fields, payload])
            }
        }
    }

    /// The length of the payload of the entry that begins so; `None` when no entry begins so.
    pub(super) fn payload_length(self, header: &[u8; ENTRY_HEADER]) -> Option<usize> {
        let [l0, l1, l2, l3, ..] = header;
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        match (self.version, length) {
            (SegmentVersion::Two, FOLLOWS | SYNCED) => Some(0),
            _ => Some(length as usize).filter(|length| *length <= MAX_PAYLOAD),
        }
    }

    /// Whether the checksum of an entry at this offset is right.
    pub(super) fn checks(self, offset: u64, header: &[u8; ENTRY_HEADER], payload: &[u8]) -> bool {
        let [l0, l1, l2, l3, c0, c1, c2, c3, fields @ ..] = header;
        let crc = self.checksum(offset, [*l0, *l1, *l2, *l3], [fields, payload]);
        crc == u32::from_le_bytes([*c0, *c1, *c2, *c3])
    }

    /// The entry that has these bytes, which check.
    pub(super) fn decode(self, header: &[u8; ENTRY_HEADER], payload: Vec<u8>) -> Entry {
        let [l0, l1, l2, l3, _, _, _, _, numbers @ ..] = header;
        let (first, second) = numbers.split_first_chunk().map_or(([0; 8], [0; 8]), |(first, second)| {
            (*first, second.first_chunk().copied().unwrap_or_default())
        });
        let (first, second) = (u64::from_le_bytes(first), u64::from_le_bytes(second));
        match (self.version, u32::from_le_bytes([*l0, *l1, *l2, *l3])) {
            (SegmentVersion::Two, FOLLOWS) => Entry::Follows(SegmentLength { segment: first, bytes: second }),
            (SegmentVersion::Two, SYNCED) => Entry::Synced,
            _ => Entry::Record(TrajectoryRecord { id: first, time_ms: second, payload }),
        }
    }

    /// The bytes of records that are written at this offset.
    pub(super) fn encode_records(self, records: &[TrajectoryRecord], offset: u64) -> Result<Vec<u8>> {
        let total: usize = records.iter().map(|record| ENTRY_HEADER + record.payload.len()).sum();
        let mut bytes = Vec::with_capacity(total);
        for record in records {
            let length = u32::try_from(record.payload.len());
            let length = length.ok().filter(|_| record.payload.len() <= MAX_PAYLOAD).ok_or_else(|| {
                let longer = record.payload.len();
                let reason = format!("{longer} bytes are more than the {MAX_PAYLOAD} of a record");
                Error::argument("payload", reason)
            })?;
            let at = offset + bytes.len() as u64;
            self.encode(&mut bytes, at, length, [record.id, record.time_ms], &record.payload);
        }
        Ok(bytes)
    }

    /// The bytes of the mark that this segment follows that one.
    pub(super) fn encode_follows(self, previous: SegmentLength, offset: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRY_HEADER);
        self.encode(&mut bytes, offset, FOLLOWS, [previous.segment, previous.bytes], &[]);
        bytes
    }

    /// The bytes of the mark that everything before `offset` is synced.
    pub(super) fn encode_synced(self, offset: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRY_HEADER);
        self.encode(&mut bytes, offset, SYNCED, [0, 0], &[]);
        bytes
    }

    fn encode(self, bytes: &mut Vec<u8>, offset: u64, length: u32, numbers: [u64; 2], payload: &[u8]) {
        let (length, numbers) = (length.to_le_bytes(), numbers.map(u64::to_le_bytes));
        let fields = numbers.as_flattened();
        let crc = self.checksum(offset, length, [fields, payload]);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(fields);
        bytes.extend_from_slice(payload);
    }
}
