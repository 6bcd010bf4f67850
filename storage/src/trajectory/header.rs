//! The header of a segment.
//!
//! ```text
//!   0 | magic "HSTRAJ\r\n" | 8
//!   8 | version            | 4
//!  12 | 0                  | 4
//!  16 | records            |
//! ```

use std::path::Path;

use crate::error::{DisplayPath, Error, Result};

pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"HSTRAJ\r\n";
const VERSION: u32 = 1;

/// The header of a new segment.
pub(super) fn encode_header() -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    header
}

/// Refuses what is not the header of a segment of this version.
pub(super) fn check_header(path: &Path, header: &[u8; HEADER_BYTES]) -> Result<()> {
    let [magic @ .., v0, v1, v2, v3, _, _, _, _] = header;
    let version = u32::from_le_bytes([*v0, *v1, *v2, *v3]);
    if magic != MAGIC {
        let (what, reason) = ("the header of a segment", "it does not begin as one");
        return Err(Error::corrupt(path, 0, what, reason));
    }
    if version != VERSION {
        return Err(Error::UnsupportedVersion {
            path: DisplayPath(path.to_owned()),
            found: version,
            supported: VERSION,
        });
    }
    Ok(())
}
