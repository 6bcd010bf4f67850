//! A file in memory.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::traits::{StorageBackend, View, past_the_end};

/// A file in memory; clones are the same file.
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    path: PathBuf,
    bytes: Arc<RwLock<Vec<u8>>>,
}

impl MemoryBackend {
    /// A file that holds `bytes` and is called `name` in messages.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { path: PathBuf::from(name), bytes: Arc::new(RwLock::new(bytes)) }
    }

    /// What the file holds now.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.read().clone()
    }
}

impl StorageBackend for MemoryBackend {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.read().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.bytes.write().resize(len, 0);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut file = self.bytes.write();
        if file.len() < end {
            file.resize(end, 0);
        }
        if let Some(target) = file.get_mut(start..end) {
            target.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn view(&self, _len: u64) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(self.clone()))
    }
}

impl View for MemoryBackend {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let file = self.bytes.read();
        let start = usize::try_from(offset).map_err(|_| past_the_end())?;
        let end = start.checked_add(len).ok_or_else(past_the_end)?;
        file.get(start..end).map(|bytes| Cow::Owned(bytes.to_vec())).ok_or_else(past_the_end)
    }
}
