//! The header of a segment.
//!
//! ```text
//!   0 | magic "HSTRAJ\r\n"                                             | 8
//!   8 | version                                                        | 4
//!  12 | CRC-32C of the 12 bytes before and the segment's number (8)    | 4
//!  16 | entries                                                        |
//! ```
//!
//! Segments of version 1 have 0 in the place of the checksum.

use std::path::Path;

use crate::checksum::crc32c_parts;
use crate::error::{DisplayPath, Error, Result};

pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"HSTRAJ\r\n";
/// The version of the segments that are begun.
const NEWEST: u32 = 2;

/// The versions of a segment's format that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SegmentVersion {
    /// The checksum of an entry covers neither its length nor where it stands, and there are no marks. Such segments are
    /// read and never appended to.
    One,
    #[default]
    Two,
}

/// The header of a new segment.
pub(super) fn encode_header(number: u64) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&NEWEST.to_le_bytes());
    let crc = crc32c_parts(&[&header, &number.to_le_bytes()]);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

/// Refuses what is not the header of a segment with this number in a version that is read.
pub(super) fn decode_header(path: &Path, number: u64, header: &[u8; HEADER_BYTES]) -> Result<SegmentVersion> {
    let corrupt = |reason: &str| Error::corrupt(path, 0, "the header of a segment", reason);
    let [covered @ .., c0, c1, c2, c3] = header;
    let [magic @ .., v0, v1, v2, v3] = covered;
    if magic != MAGIC {
        return Err(corrupt("it does not begin as one"));
    }
    let (version, crc) = (u32::from_le_bytes([*v0, *v1, *v2, *v3]), u32::from_le_bytes([*c0, *c1, *c2, *c3]));
    if (version, crc) == (1, 0) {
        return Ok(SegmentVersion::One);
    }
    if crc32c_parts(&[covered, &number.to_le_bytes()]) != crc {
        return Err(corrupt("its checksum does not match"));
    }
    if version != NEWEST {
        return Err(Error::UnsupportedVersion {
            path: DisplayPath(path.to_owned()),
            found: version,
            supported: NEWEST,
        });
    }
    Ok(SegmentVersion::Two)
}
