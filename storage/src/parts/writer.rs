//! Writing a file that never changes afterwards.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::name::{Age, hash_of};
use super::record::{PART_BLOCK_BYTES, PartRecord};
use crate::backend::{StorageBackend, StorageDirectory};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::integer::to_usize;

/// A file that is being written. Nobody sees it before [`PartWriter::finish`]; dropped before, it is removed.
#[derive(Debug)]
pub struct PartWriter {
    directory: Arc<dyn StorageDirectory>,
    file: Arc<dyn StorageBackend>,
    age: Age,
    extension: String,
    /// What the file is called at the moment.
    name: String,
    /// The block that is not full yet.
    block: Vec<u8>,
    /// How many bytes are in the file, all of them in whole blocks before the end.
    written: u64,
    blocks: Vec<u32>,
    hash: Sha256,
    failed: bool,
    finished: bool,
}

impl PartWriter {
    pub(super) fn begin(directory: Arc<dyn StorageDirectory>, age: Age, extension: &str) -> Result<Self> {
        let name = age.draft_name();
        let opened = directory.open(&name, &name);
        let file = opened.map_err(|e| Error::io("create", &directory.path().join(&name), e))?;
        Ok(Self {
            directory,
            file,
            age,
            extension: extension.to_owned(),
            name,
            block: Vec::with_capacity(to_usize(PART_BLOCK_BYTES)),
            written: 0,
            blocks: Vec::new(),
            hash: Sha256::new(),
            failed: false,
            finished: false,
        })
    }

    /// How many bytes were written so far.
    pub fn bytes(&self) -> u64 {
        self.written + self.block.len() as u64
    }

    /// Returns once the file is durable under its final name. The record is for its owner to commit.
    pub fn finish(mut self) -> Result<PartRecord> {
        if self.failed {
            return Err(Error::io("write", &self.path(), failed_before()));
        }
        if !self.block.is_empty() {
            self.write_block().map_err(|e| Error::io("write", &self.path(), e))?;
        }
        self.file.sync().map_err(|e| Error::io("sync", &self.path(), e))?;
        let sha256 = std::mem::take(&mut self.hash).finalize();
        let name = self.age.part_name(hash_of(sha256.into()), &self.extension);
        self.directory.rename(&self.name, &name).map_err(|e| Error::io("rename", &self.path(), e))?;
        self.name.clone_from(&name);
        self.directory.sync().map_err(|e| Error::io("sync the directory", self.directory.path(), e))?;
        self.finished = true;
        Ok(PartRecord { name, bytes: self.written, blocks: std::mem::take(&mut self.blocks) })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.failed = true;
        self.file.write(self.written, &self.block)?;
        self.failed = false;
        self.blocks.push(crc32c(&self.block));
        self.hash.update(&self.block);
        self.written += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(failed_before());
        }
        let room = to_usize(PART_BLOCK_BYTES) - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        if taken.len() == room {
            self.write_block()?;
        }
        Ok(taken.len())
    }

    /// Does nothing: nobody sees a file before it is finished, which makes all of it durable.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What is left behind otherwise, the next process removes or sets aside.
            let _ = self.directory.remove(&self.name);
        }
    }
}

fn failed_before() -> io::Error {
    io::Error::other("an earlier write of this file failed; write it anew")
}
