//! The two superblocks, which are the only commit point, and the copy of each that lies among the objects, where
//! opening never looks and salvage does.
//!
//! ```text
//! superblock, in the sector at byte 0 and in the one at byte 4096
//!     0 +------------------------------------------------+
//!       | magic "HSGRID\r\n"                           8 |
//!     8 +------------------------------------------------+ \
//!       | format version                               4 |  |
//!       | 0                                            4 |  |
//!    16 | store id                                     8 |  |
//!    24 | commit number                                8 |  |
//!    32 | durable commit number                        8 |  | body
//!    40 | reference to the root of the main tree      24 |  |
//!    64 | number of regions                            8 |  |
//!    72 | depth of the table of regions                8 |  |
//!    80 | reference to the table of regions           24 |  |
//!   104 | next sequence number of a version            8 |  |
//!   112 +------------------------------------------------+ /
//!       | reference to the copy of this superblock    24 |
//!   136 | zeros                                      372 |
//!   508 | CRC-32C of bytes 0 to 507                    4 |
//!   512 +------------------------------------------------+
//!
//! copy, an object anywhere in the file
//!     0 | kind 7, "HSGRID\n"                           8 |
//!     8 | body, as above                             104 |
//!   112 | zeros                                       12 |
//!   124 | CRC-32C of bytes 0 to 123                    4 |
//! ```

use super::cursor::{Cursor, Encoder};
use super::object::{Decoded, FORMAT_VERSION, Kind};
use super::reference::Ref;
use crate::checksum::crc32c;

/// What is written of a superblock: one sector, so that on most disks a torn write leaves the old one or the new one.
pub(crate) const SUPERBLOCK_BYTES: usize = 512;
/// Length of a copy.
pub(crate) const COPY_BYTES: usize = 128;
/// Bytes before the first object: the superblocks, a page each.
pub(crate) const RESERVED_BYTES: u64 = 2 * SLOT_BYTES;

const SLOT_BYTES: u64 = 4096;
const MAGIC: &[u8; 8] = b"HSGRID\r\n";
const COPY_MAGIC: [u8; 8] = [Kind::Superblock.code(), b'H', b'S', b'G', b'R', b'I', b'D', b'\n'];
const CRC_OFFSET: usize = SUPERBLOCK_BYTES - 4;
const COPY_CRC_OFFSET: usize = COPY_BYTES - 4;

/// One of the two sectors of the file that hold a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuperblockSlot {
    First,
    Second,
}

impl SuperblockSlot {
    pub(crate) const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The slot that the next superblock is written to when this one holds the newest durable one.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Where the slot begins in the file.
    pub(crate) const fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_BYTES,
        }
    }
}

/// A committed state: everything that an opening needs to read it and to write the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Made up when the store is created; the write-ahead log carries it too.
    pub(crate) store_id: u64,
    /// The commit's number; the highest valid one wins.
    pub(crate) commit: u64,
    /// The newest commit known durable when this one was written: objects up to it need no check.
    pub(crate) durable_commit: u64,
    /// The main tree's root; null when the store is empty.
    pub(crate) root: Ref,
    /// Number of regions.
    pub(crate) regions: u64,
    /// Depth of the table of regions.
    pub(crate) space_depth: u8,
    /// The top of the table of regions; null in a fresh store.
    pub(crate) space: Ref,
    /// The next version's sequence number.
    pub(crate) next_sequence: u64,
    /// Its copy among the objects; null in a new store, and in what a copy itself says.
    pub(crate) copy: Ref,
}

/// Why a slot holds no superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuperblockError {
    /// Not one of ours, or damaged.
    Invalid(&'static str),
    /// Ours, of another format version.
    Version(u32),
}

impl Superblock {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(SUPERBLOCK_BYTES);
        out.raw(MAGIC);
        self.encode_body(&mut out);
        self.copy.encode(&mut out);
        seal(out, CRC_OFFSET)
    }

    /// The copy, without the reference to itself.
    pub(crate) fn encode_copy(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(COPY_BYTES);
        out.raw(&COPY_MAGIC);
        self.encode_body(&mut out);
        seal(out, COPY_CRC_OFFSET)
    }

    fn encode_body(&self, out: &mut Encoder) {
        out.u32(FORMAT_VERSION).u32(0);
        out.u64(self.store_id).u64(self.commit).u64(self.durable_commit);
        self.root.encode(out);
        out.u64(self.regions).u64(u64::from(self.space_depth));
        self.space.encode(out);
        out.u64(self.next_sequence);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SuperblockError> {
        let invalid = SuperblockError::Invalid;
        let (body, crc) = bytes.split_at_checked(CRC_OFFSET).ok_or(invalid("it is too short"))?;
        let mut input = Cursor::new(body);
        if input.take(MAGIC.len()).map_err(invalid)? != MAGIC {
            return Err(invalid("it does not begin as one"));
        }
        let version = input.u32().map_err(invalid)?;
        if Cursor::new(crc).u32().map_err(invalid)? != crc32c(body) {
            return Err(invalid("its checksum does not match"));
        }
        if version != FORMAT_VERSION {
            return Err(SuperblockError::Version(version));
        }
        let mut superblock = Self::decode_body(&mut input).map_err(invalid)?;
        superblock.copy = Ref::decode(&mut input).map_err(invalid)?;
        Ok(superblock)
    }

    /// What a copy says; `None` when these bytes are not a copy of this format version.
    pub(crate) fn decode_copy(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.get(..COPY_BYTES)?.split_at_checked(COPY_CRC_OFFSET)?;
        let mut input = Cursor::new(body);
        if input.take(COPY_MAGIC.len()) != Ok(&COPY_MAGIC)
            || Cursor::new(crc).u32() != Ok(crc32c(body))
            || input.u32() != Ok(FORMAT_VERSION)
        {
            return None;
        }
        Self::decode_body(&mut input).ok()
    }

    fn decode_body(input: &mut Cursor<'_>) -> Decoded<Self> {
        input.u32()?;
        Ok(Self {
            store_id: input.u64()?,
            commit: input.u64()?,
            durable_commit: input.u64()?,
            root: Ref::decode(input)?,
            regions: input.u64()?,
            space_depth: u8::try_from(input.u64()?).map_err(|_| "its table of regions is too deep")?,
            space: Ref::decode(input)?,
            next_sequence: input.u64()?,
            copy: Ref::NULL,
        })
    }
}

/// Fills up with zeros to where the checksum stands, and appends it.
fn seal(mut out: Encoder, crc_offset: usize) -> Vec<u8> {
    out.bytes.resize(crc_offset, 0);
    let crc = crc32c(&out.bytes);
    out.u32(crc);
    out.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(unit: u64) -> Ref {
        Ref { unit, len: 100, crc: 7, birth: 9, aux: 0 }
    }

    #[test]
    fn every_field_of_a_superblock_lies_where_the_drawing_says() {
        let superblock = Superblock {
            store_id: 1,
            commit: 2,
            durable_commit: 3,
            root: reference(4),
            regions: 5,
            space_depth: 6,
            space: reference(7),
            next_sequence: 8,
            copy: reference(9),
        };
        let bytes = superblock.encode();
        let number = |offset: usize| {
            let field = bytes.get(offset..offset + 8).and_then(|field| field.first_chunk());
            field.map(|field| u64::from_le_bytes(*field))
        };
        // A reference begins with its unit, below its length.
        let unit = |offset: usize| number(offset).map(|n| n & 0xff_ffff_ffff);
        assert_eq!(bytes.len(), SUPERBLOCK_BYTES);
        assert_eq!(number(8), Some(u64::from(FORMAT_VERSION)));
        assert_eq!([16, 24, 32, 64, 72, 104].map(number), [1, 2, 3, 5, 6, 8].map(Some));
        assert_eq!([40, 80, 112].map(unit), [4, 7, 9].map(Some));
        assert_eq!(Superblock::decode(&bytes), Ok(superblock));
        let copy = Superblock::decode_copy(&superblock.encode_copy());
        assert_eq!(copy, Some(Superblock { copy: Ref::NULL, ..superblock }));
    }
}
