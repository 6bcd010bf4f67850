//! Files that others may change, read with a proof that they have not.
//!
//! A model's file belongs to whoever put it there, who may write over it at any time. It is therefore never mapped, which
//! would show the change in the middle of a computation or end the process. Its bytes are read once as a whole, which
//! gives the model's hash, and a checksum of each block is kept. Whatever is read later is compared with it.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Bytes that have one checksum.
const BLOCK: usize = 64 << 10;
/// Bytes that are read at once where all of a range is read.
const PIECE: usize = 1 << 20;

/// An open file; what it is replaced by at its path is another file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl SourceFile {
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::invalid(path, "is not a file"));
        }
        if metadata.len() == 0 {
            return Err(Error::invalid(path, "is empty"));
        }
        Ok(Arc::new(Self { path: path.to_path_buf(), file, length: metadata.len() }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The length that it had when it was opened.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Begins to read a range for the first time; every byte of it goes into `hash`.
    pub(crate) fn first_read<'a>(self: &Arc<Self>, range: Range<u64>, hash: &'a mut Sha256) -> FirstRead<'a> {
        FirstRead {
            file: Arc::clone(self),
            hash,
            start: range.start,
            position: range.start,
            end: range.end,
            blocks: Vec::new(),
        }
    }

    /// The bytes of a range, which nobody vouches for.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| self.changed())?];
        match self.file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }

    fn changed(&self) -> Error {
        Error::invalid(
            &self.path,
            "has changed since it was opened, so what it held then can no longer be read",
        )
    }
}

/// The first reading of a range, from its start to its end.
pub(crate) struct FirstRead<'a> {
    file: Arc<SourceFile>,
    hash: &'a mut Sha256,
    start: u64,
    position: u64,
    end: u64,
    /// The last one may still grow.
    blocks: Vec<u32>,
}

impl FirstRead<'_> {
    /// Reads what is left and returns the range, whose bytes are known from now on.
    pub(crate) fn finish(mut self) -> Result<CheckedRange> {
        let left = usize::try_from(self.end - self.position).unwrap_or(PIECE);
        let mut piece = vec![0; left.min(PIECE)];
        while self.position < self.end {
            match self.read(&mut piece) {
                Ok(0) => return Err(self.file.changed()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(Error::io("read", self.file.path())(error));
                }
                _ => {}
            }
        }
        Ok(CheckedRange { file: self.file, start: self.start, end: self.end, blocks: self.blocks })
    }

    fn take_in(&mut self, mut bytes: &[u8]) {
        self.hash.update(bytes);
        while !bytes.is_empty() {
            let within = (self.position - self.start) as usize % BLOCK;
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - within));
            if within == 0 {
                self.blocks.push(0);
            }
            if let Some(checksum) = self.blocks.last_mut() {
                *checksum = crc32c::crc32c_append(*checksum, head);
            }
            self.position += head.len() as u64;
            bytes = rest;
        }
    }
}

impl Read for FirstRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..length) else {
            return Ok(0);
        };
        let read = self.file.file.read_at(buffer, self.position)?;
        self.take_in(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A range of a file with the checksums of its blocks.
#[derive(Clone, Debug)]
pub(crate) struct CheckedRange {
    file: Arc<SourceFile>,
    start: u64,
    end: u64,
    blocks: Vec<u32>,
}

impl CheckedRange {
    pub(crate) const fn length(&self) -> u64 {
        self.end - self.start
    }

    /// The bytes of a part of the range, as they were on the first reading, or an error if they are others now.
    pub(crate) fn read(&self, part: Range<u64>) -> Result<Vec<u8>> {
        if part.start >= part.end || part.end > self.length() {
            let empty = part.start == part.end && part.end <= self.length();
            return if empty { Ok(Vec::new()) } else { Err(Error::Internal(format!("no bytes {part:?}"))) };
        }
        let block = BLOCK as u64;
        let first = part.start / block;
        let from = first * block;
        let to = part.end.next_multiple_of(block).min(self.length());
        let mut bytes = self.file.read(self.start + from..self.start + to)?;
        let checksums = self.blocks.iter().skip(first as usize);
        if !bytes.chunks(BLOCK).zip(checksums).all(|(block, checksum)| crc32c::crc32c(block) == *checksum) {
            return Err(self.file.changed());
        }
        bytes.truncate((part.end - from) as usize);
        bytes.drain(..(part.start - from) as usize);
        Ok(bytes)
    }

    /// A part of the range in pieces, which together are what [`Self::read`] returns.
    pub(crate) fn pieces(&self, part: Range<u64>) -> impl Iterator<Item = Result<Vec<u8>>> + '_ {
        let end = part.end;
        part.step_by(PIECE).map(move |start| self.read(start..end.min(start + PIECE as u64)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn content() -> Vec<u8> {
        (0..3 * BLOCK as u32 + 1000).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    /// A file, and a range of it that begins and ends within blocks.
    fn checked() -> (tempfile::NamedTempFile, CheckedRange, Vec<u8>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&content()).unwrap();
        let mut hash = Sha256::new();
        let source = SourceFile::open(file.path()).unwrap();
        let mut first = source.first_read(10..source.length() - 7, &mut hash);
        // In odd pieces, as a reader of tables takes them.
        first.read_exact(&mut vec![0; 70_001]).unwrap();
        let range = first.finish().unwrap();
        let content = content()[10..content().len() - 7].to_vec();
        assert_eq!(hash.finalize(), Sha256::digest(&content));
        (file, range, content)
    }

    #[test]
    fn every_part_is_read_as_it_was() {
        let (_file, range, content) = checked();
        assert_eq!(range.length() as usize, content.len());
        let block = BLOCK as u64;
        for part in [0..1, 5..5, 0..block, 1..block + 1, block..2 * block, 70_000..140_001, 0..range.length()]
        {
            let expected = &content[part.start as usize..part.end as usize];
            assert_eq!(range.read(part.clone()).unwrap(), expected, "{part:?}");
            let pieces: Vec<u8> = range.pieces(part).flat_map(Result::unwrap).collect();
            assert_eq!(pieces, expected);
        }
        assert!(range.read(0..range.length() + 1).is_err());
    }

    #[test]
    fn a_changed_byte_is_an_error_wherever_its_block_is_read() {
        let (file, range, content) = checked();
        let at = BLOCK + 20;
        let mut changed = self::content();
        changed[at] ^= 4;
        fs::write(file.path(), changed).unwrap();
        let block = BLOCK as u64;
        assert_eq!(range.read(0..block).unwrap(), &content[..BLOCK]);
        for part in [block..block + 1, block - 1..block + 2, 2 * block - 1..2 * block, 0..range.length()] {
            let error = range.read(part).unwrap_err().to_string();
            assert!(error.contains("has changed since it was opened"), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error_and_one_that_was_replaced_is_still_read() {
        let (file, range, content) = checked();
        let other = tempfile::NamedTempFile::new_in(file.path().parent().unwrap()).unwrap();
        fs::hard_link(file.path(), file.path().with_extension("kept")).unwrap();
        fs::rename(other.path(), file.path()).unwrap();
        assert_eq!(range.read(0..range.length()).unwrap(), content);
        let kept = File::options().write(true).open(file.path().with_extension("kept")).unwrap();
        kept.set_len(100_000).unwrap();
        assert!(range.read(0..65_536).is_ok());
        assert!(range.read(0..range.length()).is_err());
        fs::remove_file(file.path().with_extension("kept")).unwrap();
    }
}
