//! A file that is written beside the one that it replaces when it is whole.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file beside the one that it is to replace. Dropped before [`ReplacementFile::publish`], it is removed, and the other
/// stays as it was.
#[derive(Debug)]
pub(crate) struct ReplacementFile {
    pub(crate) path: PathBuf,
}

impl ReplacementFile {
    /// A file to replace `path`, with the same file extension, which decides the format.
    pub(crate) fn beside(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { path: path.with_file_name(format!(".draft-{}-{number}-{name}", std::process::id())) }
    }

    /// Renames it to `path`, once it is on disk.
    pub(crate) fn publish(self, path: &Path) -> Result<()> {
        if !self.path.exists() {
            // Some formats write no file when there are no rows.
            File::create(&self.path).map_err(|e| Error::io("create", &self.path, &e))?;
        }
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|e| Error::io("sync", &self.path, &e))?;
        std::fs::rename(&self.path, path).map_err(|e| Error::io("write", path, &e))
    }
}

impl Drop for ReplacementFile {
    fn drop(&mut self) {
        // After publishing there is nothing left under its own name.
        let _ = std::fs::remove_file(&self.path);
    }
}
