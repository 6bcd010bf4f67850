//! The directory that a store's files are in.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::file::FileBackend;
use super::traits::StorageBackend;

/// A directory of files. All methods take `&self` and may be called from any thread.
pub trait StorageDirectory: Send + Sync + Debug {
    /// What to call it in messages.
    fn path(&self) -> &Path;

    /// Whether it has a file of this name.
    fn contains(&self, name: &str) -> io::Result<bool>;

    /// The names of its files, in order; what is not a file is left out.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing, creating it when it is missing. Messages call it `called`, which is
    /// another name when the file is about to be renamed.
    fn open(&self, name: &str, called: &str) -> io::Result<Arc<dyn StorageBackend>>;

    /// Opens a file that is there, for reading alone.
    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn StorageBackend>>;

    /// When a file's content changed last, in milliseconds since 1970; `None` where that is not kept.
    fn modified_ms(&self, _name: &str) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, taking it from the file that has it: as a whole, or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns once the names are durable.
    fn sync(&self) -> io::Result<()>;
}

/// A directory on disk.
#[derive(Debug)]
pub struct FileDirectory {
    path: PathBuf,
}

impl FileDirectory {
    /// The directory at `path`, which exists.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The directory at `path`, which is made when it is missing; its name is durable when this returns.
    pub fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        if let Some(parent) = path.parent() {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Self::new(parent).sync()?;
        }
        Ok(Self::new(path))
    }
}

impl StorageDirectory for FileDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn contains(&self, name: &str) -> io::Result<bool> {
        self.path.join(name).try_exists()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str, called: &str) -> io::Result<Arc<dyn StorageBackend>> {
        let file = FileBackend::open(&self.path.join(name))?;
        Ok(Arc::new(file.called(&self.path.join(called))))
    }

    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(FileBackend::open_existing(&self.path.join(name))?))
    }

    fn modified_ms(&self, name: &str) -> io::Result<Option<u64>> {
        let modified = std::fs::metadata(self.path.join(name))?.modified()?;
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(age.as_millis()).ok())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
