//! A reference: where an object is, how long, its checksum and when it was written.
//!
//! ```text
//!   0 | first unit: bits 0 to 39    |
//!     | length in bytes: bits 40-63 |  8
//!   8 | birth: the commit's number  |  8
//!  16 | CRC-32C of the object       |  4
//!  20 | a number for its parent     |  4
//!  24
//! ```
//!
//! The number is: of a chunk its active elements, with bit 31 set when it is a patch; of a region its free units; else 0.

use super::cursor::{Cursor, Encoder};
use super::object::{Decoded, MAX_OBJECT_BYTES, UNIT_BYTES};
use crate::integer::low_u32;

const UNIT_BITS: u32 = 40;
const UNIT_MASK: u64 = (1 << UNIT_BITS) - 1;

/// 24 bytes in the file. A null reference has length 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ref {
    /// The object's first unit of 64 bytes.
    pub(crate) unit: u64,
    /// Its length in bytes.
    pub(crate) len: u32,
    /// CRC-32C of those bytes.
    pub(crate) crc: u32,
    /// The commit that wrote it.
    pub(crate) birth: u64,
    /// A number about the object for its parent: active elements of a chunk, free units of a region.
    pub(crate) aux: u32,
}

impl Ref {
    pub(crate) const BYTES: usize = 24;
    /// Refers to nothing.
    pub(crate) const NULL: Self = Self { unit: 0, len: 0, crc: 0, birth: 0, aux: 0 };
    /// Set in the number of a chunk that is a patch, so that freeing one needs no look at the others.
    pub(crate) const PATCH: u32 = 1 << 31;

    pub(crate) fn is_null(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn offset(&self) -> u64 {
        self.unit.saturating_mul(UNIT_BYTES)
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.len as usize
    }

    /// Active elements of a chunk.
    pub(crate) fn active(&self) -> u32 {
        self.aux & !Self::PATCH
    }

    pub(crate) fn is_patch(&self) -> bool {
        self.aux & Self::PATCH != 0
    }

    /// How many units it takes, the last perhaps in part.
    pub(crate) fn units(&self) -> u32 {
        low_u32(u64::from(self.len).div_ceil(UNIT_BYTES))
    }

    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.u64((self.unit & UNIT_MASK) | (u64::from(self.len) << UNIT_BITS));
        out.u64(self.birth).u32(self.crc).u32(self.aux);
    }

    pub(crate) fn decode(input: &mut Cursor<'_>) -> Decoded<Self> {
        let location = input.u64()?;
        let len = u32::try_from(location >> UNIT_BITS).map_err(|_| "a reference has an impossible length")?;
        let (birth, crc, aux) = (input.u64()?, input.u32()?, input.u32()?);
        let reference = Self { unit: location & UNIT_MASK, len, crc, birth, aux };
        if reference.len_bytes() > MAX_OBJECT_BYTES {
            return Err("a reference is longer than any object");
        }
        Ok(reference)
    }
}
