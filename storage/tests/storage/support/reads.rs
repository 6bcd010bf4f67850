//! A file in memory that remembers what is read of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hyprstream_storage::backend::{MemoryBackend, StorageBackend, View};

/// The first byte of a leaf of a tree.
pub const LEAF: u8 = 1;
/// The first byte of a chunk.
pub const CHUNK: u8 = 4;

/// A file and the objects that were read of it; clones are the same file.
#[derive(Clone, Debug)]
pub struct ReadLog {
    file: MemoryBackend,
    reads: Arc<Mutex<BTreeSet<(u8, u64)>>>,
}

impl ReadLog {
    pub fn new(file: MemoryBackend) -> Self {
        Self { file, reads: Arc::default() }
    }

    /// Where the objects of a kind lie that `work` reads.
    pub fn during(&self, kind: u8, work: impl FnOnce()) -> BTreeSet<u64> {
        self.reads.lock().unwrap().clear();
        work();
        let reads = self.reads.lock().unwrap();
        let of_kind = reads.iter().filter(|(found, _)| *found == kind);
        of_kind.map(|(_, offset)| *offset).collect()
    }
}

impl StorageBackend for ReadLog {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn view(&self, _len: u64) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(self.clone()))
    }
}

impl View for ReadLog {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let bytes = self.file.bytes(offset, len)?;
        if let Some(kind) = bytes.first() {
            self.reads.lock().unwrap().insert((*kind, offset));
        }
        Ok(bytes)
    }
}
