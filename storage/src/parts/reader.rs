//! Reading a file that never changes: no byte is handed out before its block was checked.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::record::{PART_BLOCK_BYTES, PartRecord};
use crate::backend::{StorageBackend, StorageDirectory};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::integer::to_usize;

/// What a damaged file held.
const HELD: &str = "rows of a table";

/// How many blocks are in memory at once where a whole file is read.
const STEP_BLOCKS: u64 = 64;

/// An immutable file, read under the checksums of its record.
#[derive(Debug)]
pub struct PartReader {
    file: Arc<dyn StorageBackend>,
    path: PathBuf,
    bytes: u64,
    blocks: Vec<u32>,
}

impl PartReader {
    pub(super) fn open(directory: &dyn StorageDirectory, record: &PartRecord) -> Result<Self> {
        record.check()?;
        let path = directory.path().join(&record.name);
        let file = open_file(directory, &record.name)?;
        let found = file.len().map_err(|e| Error::io("read", &path, e))?;
        if found != record.bytes {
            let reason = format!("it has {found} bytes and had {}", record.bytes);
            return Err(Error::corrupt(&path, found.min(record.bytes), HELD, reason));
        }
        Ok(Self { file, path, bytes: record.bytes, blocks: record.blocks.clone() })
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Some bytes of the file. Every block that they touch is read and compared with its checksum first.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        if range.start > range.end || range.end > self.bytes {
            let reason = format!("{range:?} is not in the {} bytes of {}", self.bytes, self.path.display());
            return Err(Error::argument("range", reason));
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let first = range.start / PART_BLOCK_BYTES;
        let mut bytes = self.read_blocks(first..range.end.div_ceil(PART_BLOCK_BYTES))?;
        let offset = first * PART_BLOCK_BYTES;
        bytes.truncate(to_usize(range.end - offset));
        bytes.drain(..to_usize(range.start - offset));
        Ok(bytes)
    }

    /// Reads the whole file and compares it with its checksums.
    pub fn verify(&self) -> Result<()> {
        let blocks = self.blocks.len() as u64;
        let mut first = 0;
        while first < blocks {
            let end = (first + STEP_BLOCKS).min(blocks);
            self.read_blocks(first..end)?;
            first = end;
        }
        Ok(())
    }

    /// Whole blocks, of which the last of the file may be shorter.
    fn read_blocks(&self, blocks: Range<u64>) -> Result<Vec<u8>> {
        let offset = blocks.start * PART_BLOCK_BYTES;
        let end = blocks.end.saturating_mul(PART_BLOCK_BYTES).min(self.bytes);
        let mut bytes = vec![0; to_usize(end - offset)];
        self.file.read(offset, &mut bytes).map_err(|e| read_error(&self.path, offset, e))?;
        let expected = self.blocks.get(to_usize(blocks.start)..to_usize(blocks.end)).unwrap_or_default();
        let found = bytes.chunks(to_usize(PART_BLOCK_BYTES));
        let wrong = found.zip(expected).position(|(block, crc)| crc32c(block) != *crc);
        if let Some(wrong) = wrong {
            let offset = offset + wrong as u64 * PART_BLOCK_BYTES;
            return Err(Error::corrupt(&self.path, offset, HELD, "the block's checksum is wrong"));
        }
        Ok(bytes)
    }
}

/// Opens a file that a record or a caller names.
pub(super) fn open_file(directory: &dyn StorageDirectory, name: &str) -> Result<Arc<dyn StorageBackend>> {
    let path = directory.path().join(name);
    directory.open_existing(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt(&path, 0, HELD, "the file is missing"),
        _ => Error::io("open", &path, error),
    })
}

/// What the bytes of a file are, whatever they should be.
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) blocks: Vec<u32>,
    pub(super) sha256: [u8; 32],
}

impl Content {
    /// Reads a file from its beginning to its end.
    pub(super) fn read(file: &dyn StorageBackend, path: &Path) -> Result<Self> {
        let len = file.len().map_err(|e| Error::io("read", path, e))?;
        let mut hash = Sha256::new();
        let mut blocks = Vec::new();
        let mut offset = 0;
        let mut block = vec![0; to_usize(PART_BLOCK_BYTES)];
        while offset < len {
            block.truncate(to_usize((len - offset).min(PART_BLOCK_BYTES)));
            file.read(offset, &mut block).map_err(|e| read_error(path, offset, e))?;
            hash.update(&block);
            blocks.push(crc32c(&block));
            offset += block.len() as u64;
        }
        Ok(Self { bytes: len, blocks, sha256: hash.finalize().into() })
    }
}

/// A file that ends early was made shorter, which is damage and no failure of the medium.
fn read_error(path: &Path, offset: u64, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::corrupt(path, offset, HELD, "the file ends here or soon after; it was made shorter")
        }
        _ => Error::io("read", path, error),
    }
}
