//! What the owner of an immutable file keeps about it.

use std::path::Path;

use super::name::check_plain;
use crate::checksum::crc32c;
use crate::error::{DisplayPath, Error, Result};

/// How many bytes of a file share a checksum; the last block may be shorter.
pub const PART_BLOCK_BYTES: u64 = 64 << 10;

/// The encoding that is written here. Every one ends with the checksum of what is before.
const ENCODING: u8 = 1;

/// A file that never changes, as its owner's record in the grid describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// Its name in the directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32C of each of its blocks of [`PART_BLOCK_BYTES`].
    pub blocks: Vec<u32>,
}

impl PartRecord {
    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(21 + 4 * self.blocks.len() + self.name.len());
        bytes.push(ENCODING);
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&(self.blocks.len() as u64).to_le_bytes());
        for block in &self.blocks {
            bytes.extend_from_slice(&block.to_le_bytes());
        }
        bytes.extend_from_slice(self.name.as_bytes());
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The record that [`Self::encode`] made these bytes of; an error when one of them is not as it was.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (content, crc) = bytes.split_last_chunk().ok_or_else(|| damaged(SHORT))?;
        if crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(damaged("its checksum is wrong"));
        }
        let (&[encoding], rest) = content.split_first_chunk().ok_or_else(|| damaged(SHORT))?;
        if encoding != ENCODING {
            return Err(Error::UnsupportedVersion {
                path: DisplayPath(RECORD.into()),
                found: encoding.into(),
                supported: ENCODING.into(),
            });
        }
        let (len, rest) = rest.split_first_chunk().ok_or_else(|| damaged(SHORT))?;
        let (count, rest) = rest.split_first_chunk().ok_or_else(|| damaged(SHORT))?;
        let (len, count) = (u64::from_le_bytes(*len), u64::from_le_bytes(*count));
        let blocks_len = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
        let parted = blocks_len.and_then(|blocks_len| rest.split_at_checked(blocks_len));
        let (blocks, name) = parted.ok_or_else(|| damaged(SHORT))?;
        let (blocks, _) = blocks.as_chunks();
        let name = str::from_utf8(name).map_err(|_| damaged("its name is not text"))?;
        let record = Self {
            name: name.to_owned(),
            bytes: len,
            blocks: blocks.iter().map(|block| u32::from_le_bytes(*block)).collect(),
        };
        record.check().map_err(|error| damaged(error.to_string()))?;
        Ok(record)
    }

    /// Refuses a record that describes no file.
    pub(super) fn check(&self) -> Result<()> {
        check_plain(&self.name)?;
        let blocks = self.bytes.div_ceil(PART_BLOCK_BYTES);
        if self.blocks.len() as u64 == blocks {
            return Ok(());
        }
        let reason = format!(
            "{} has {} checksums, and {} bytes are {blocks} blocks",
            self.name,
            self.blocks.len(),
            self.bytes
        );
        Err(Error::argument("record of a part", reason))
    }
}

const RECORD: &str = "the record of a part";
const SHORT: &str = "it ends too early";

fn damaged(reason: impl Into<String>) -> Error {
    Error::corrupt(Path::new(RECORD), 0, "which file it is, and its checksums", reason)
}
