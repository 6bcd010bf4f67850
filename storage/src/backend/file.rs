//! A file on disk, written by `pwrite`, read through a map.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use parking_lot::Mutex;

use super::map;
use super::traits::{StorageBackend, View, past_the_end};

/// The shortest map, so that a growing file is seldom mapped again.
const MIN_MAP_BYTES: u64 = 64 << 20;

/// A file on disk.
#[derive(Debug)]
pub struct FileBackend {
    file: File,
    path: PathBuf,
    len: Arc<AtomicU64>,
    current: Mutex<Option<Arc<FileView>>>,
}

impl FileBackend {
    /// Opens `path` for reading and writing, creating it when it is missing.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?, path)
    }

    /// Opens `path`, which is there, for reading alone.
    pub fn open_existing(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?, path)
    }

    fn new(file: File, path: &Path) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            path: path.to_owned(),
            len: Arc::new(AtomicU64::new(len)),
            current: Mutex::new(None),
        })
    }

    /// Calls it by another name in messages, for a file that is about to be renamed.
    pub(crate) fn called(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }
}

impl StorageBackend for FileBackend {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(Ordering::Acquire))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.len.load(Ordering::Acquire);
        if len < before {
            // Readers must find the new end before the bytes behind it are gone.
            self.len.store(len, Ordering::Release);
        }
        if let Err(error) = self.file.set_len(len) {
            self.len.store(before, Ordering::Release);
            return Err(error);
        }
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut end = offset.saturating_add(bytes.len() as u64);
        let written = self.file.write_all_at(bytes, offset);
        if written.is_err() {
            // A part of it may be there and make the file longer.
            end = self.file.metadata()?.len();
        }
        self.len.fetch_max(end, Ordering::AcqRel);
        written
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn view(&self, len: u64) -> io::Result<Arc<dyn View>> {
        let mut current = self.current.lock();
        if let Some(view) = current.as_ref().filter(|view| view.map.len() as u64 >= len) {
            return Ok(Arc::<FileView>::clone(view));
        }
        let capacity = len.saturating_mul(2).max(MIN_MAP_BYTES);
        let capacity = usize::try_from(capacity)
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "larger than the address space"))?;
        let view =
            Arc::new(FileView { map: map::map_file(&self.file, capacity)?, len: Arc::clone(&self.len) });
        *current = Some(Arc::clone(&view));
        Ok(view)
    }
}

/// A map that may reach past the file's end; `len` says where that is now.
#[derive(Debug)]
struct FileView {
    map: Mmap,
    len: Arc<AtomicU64>,
}

impl View for FileView {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len.load(Ordering::Acquire));
        let (Ok(start), Some(Ok(end))) = (usize::try_from(offset), end.map(usize::try_from)) else {
            return Err(past_the_end());
        };
        self.map.get(start..end).map(Cow::Borrowed).ok_or_else(past_the_end)
    }
}
