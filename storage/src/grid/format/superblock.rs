//! The two superblocks: the only commit point. And the copy of each that lies among the objects, where opening never
//! looks and salvage does.

use super::{Cursor, Encoder, FORMAT_VERSION, Kind, Ref};
use crate::checksum::crc32c;

/// Both begin at these offsets.
pub(crate) const SUPERBLOCK_SLOTS: [u64; 2] = [0, 4096];
/// What is written of one: a sector, so that a torn write is an old or a new one on most disks.
pub(crate) const SUPERBLOCK_BYTES: usize = 512;
const MAGIC: &[u8; 8] = b"HSGRID\r\n";
const CRC_AT: usize = SUPERBLOCK_BYTES - 4;
/// Length of a copy.
pub(crate) const COPY_BYTES: usize = 128;
const COPY_MAGIC: [u8; 8] = [Kind::Superblock.code(), b'H', b'S', b'G', b'R', b'I', b'D', b'\n'];
const COPY_CRC_AT: usize = COPY_BYTES - 4;

/// A committed state.
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
        seal(out, CRC_AT)
    }

    /// The copy, without the reference to itself.
    pub(crate) fn encode_copy(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(COPY_BYTES);
        out.raw(&COPY_MAGIC);
        self.encode_body(&mut out);
        seal(out, COPY_CRC_AT)
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
        let (body, crc) = bytes.split_at_checked(CRC_AT).ok_or(invalid("it is too short"))?;
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
        let (body, crc) = bytes.get(..COPY_BYTES)?.split_at_checked(COPY_CRC_AT)?;
        let mut input = Cursor::new(body);
        if input.take(COPY_MAGIC.len()) != Ok(&COPY_MAGIC)
            || Cursor::new(crc).u32() != Ok(crc32c(body))
            || input.u32() != Ok(FORMAT_VERSION)
        {
            return None;
        }
        Self::decode_body(&mut input).ok()
    }

    fn decode_body(input: &mut Cursor<'_>) -> super::Decoded<Self> {
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
            copy: Ref::default(),
        })
    }
}

fn seal(mut out: Encoder, crc_at: usize) -> Vec<u8> {
    out.bytes.resize(crc_at, 0);
    let crc = crc32c(&out.bytes);
    out.u32(crc);
    out.bytes
}
