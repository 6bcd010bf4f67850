//! Conversions between integers, each proved once. What can fail returns an error that says what was too large.

use crate::error::{Error, Result};

const _: () = assert!(usize::BITS == 64, "offsets of a file are used as offsets of its memory map");

/// A number as an index or a length in memory.
#[expect(clippy::cast_possible_truncation, reason = "a usize has 64 bits, as asserted above")]
pub(crate) const fn to_usize(n: u64) -> usize {
    n as usize
}

/// The low 8 bits: the number itself where the caller has masked or divided it below 2^8.
pub(crate) const fn low_u8(n: u64) -> u8 {
    let [byte, ..] = n.to_le_bytes();
    byte
}

/// The low 16 bits: the number itself where the caller has masked or divided it below 2^16.
pub(crate) const fn low_u16(n: u64) -> u16 {
    let [b0, b1, ..] = n.to_le_bytes();
    u16::from_le_bytes([b0, b1])
}

/// The low 32 bits: the number itself where the caller has masked or divided it below 2^32.
pub(crate) const fn low_u32(n: u64) -> u32 {
    let [b0, b1, b2, b3, ..] = n.to_le_bytes();
    u32::from_le_bytes([b0, b1, b2, b3])
}

/// A count or a length for a field of two bytes; `what` names it in the error.
pub(crate) fn field_u16(n: usize, what: &str) -> Result<u16> {
    u16::try_from(n).map_err(|_| too_large(n, what, u64::from(u16::MAX)))
}

/// A count or a length for a field of four bytes; `what` names it in the error.
pub(crate) fn field_u32(n: usize, what: &str) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_large(n, what, u64::from(u32::MAX)))
}

#[cold]
fn too_large(n: usize, what: &str, most: u64) -> Error {
    Error::internal(format!("{what} is {n}, and its field holds at most {most}"))
}
