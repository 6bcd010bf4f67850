//! Numbers as they are stored.

use crate::error::{Error, Result};

/// Reads a number of eight little-endian bytes; `what` names it in the error, as in "the number of the next checkpoint".
pub(crate) fn stored_number(bytes: &[u8], what: &str) -> Result<u64> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::Corrupt(format!("{what} has {} bytes instead of 8", bytes.len())))?;
    Ok(u64::from_le_bytes(bytes))
}
