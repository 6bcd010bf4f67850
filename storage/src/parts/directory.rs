//! The directory that immutable files are in.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::name::{Age, check_extension, check_plain, hash_in, hash_of, is_draft};
use super::reader::{Content, PartReader, open_file};
use super::record::PartRecord;
use super::removals::{RemovalHold, Removals};
use super::writer::PartWriter;
use crate::backend::{FileDirectory, StorageDirectory};
use crate::error::{Error, Result};

/// A directory of files that never change. Share it by `Arc`; one process has it open.
#[derive(Debug)]
pub struct PartDirectory {
    directory: Arc<dyn StorageDirectory>,
    extension: String,
    removals: Arc<Removals>,
    drafts: Mutex<Drafts>,
}

#[derive(Debug)]
struct Drafts {
    newest: Age,
    /// Whether those that an earlier process left are removed.
    are_cleared: bool,
}

impl PartDirectory {
    /// Opens a directory whose parts have this extension, making it when it is missing. Nothing in it is changed before
    /// the first [`Self::begin`] or [`Self::remove`].
    pub fn open(directory: &Path, extension: &str) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|e| Error::io("create the directory", directory, e))?;
        // No part is acknowledged whose directory could be missing after a loss of power.
        if let Some(parent) = directory.parent() {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            let synced = FileDirectory::new(parent).sync();
            synced.map_err(|e| Error::io("sync the directory", parent, e))?;
        }
        Self::open_directory(Arc::new(FileDirectory::new(directory)), extension)
    }

    /// Opens a directory of the caller's own making, which is there and durable.
    pub fn open_directory(directory: Arc<dyn StorageDirectory>, extension: &str) -> Result<Self> {
        check_extension(extension)?;
        let names = list(directory.as_ref())?;
        let newest = names.iter().filter_map(|name| Age::of(name, extension)).max().unwrap_or_default();
        Ok(Self {
            removals: Arc::new(Removals::new(Arc::clone(&directory))),
            drafts: Mutex::new(Drafts { newest, are_cleared: !names.iter().any(|name| is_draft(name)) }),
            directory,
            extension: extension.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Begins a file.
    pub fn begin(&self) -> Result<PartWriter> {
        let mut drafts = self.drafts.lock();
        if !drafts.are_cleared {
            self.clear_drafts()?;
            drafts.are_cleared = true;
        }
        drafts.newest = drafts.newest.next();
        PartWriter::begin(Arc::clone(&self.directory), drafts.newest, &self.extension)
    }

    /// Removes the drafts that a process left when it was killed; what cannot be removed only takes space.
    fn clear_drafts(&self) -> Result<()> {
        for name in list(self.directory.as_ref())?.iter().filter(|name| is_draft(name)) {
            if let Err(error) = self.directory.remove(name) {
                let file = self.path().join(name);
                tracing::warn!(%error, file = %file.display(), "an unfinished file could not be removed");
            }
        }
        Ok(())
    }

    /// Opens a file under the checksums of its record. A missing file and one of another length are damage.
    pub fn reader(&self, record: &PartRecord) -> Result<PartReader> {
        PartReader::open(self.directory.as_ref(), record)
    }

    /// The record of a file that is there already, under whatever name. It is durable when this returns, and the record
    /// describes what was in it: whether that is right, nothing proves unless [`Self::proves_itself`] does.
    pub fn adopt(&self, name: &str) -> Result<PartRecord> {
        check_plain(name)?;
        if is_draft(name) {
            let reason = format!("{name:?} is that of an unfinished file, which will be removed");
            return Err(Error::argument("name of a part", reason));
        }
        let path = self.path().join(name);
        let file = open_file(self.directory.as_ref(), name)?;
        file.sync().map_err(|e| Error::io("sync", &path, e))?;
        let content = Content::read(file.as_ref(), &path)?;
        Ok(PartRecord { name: name.to_owned(), bytes: content.bytes, blocks: content.blocks })
    }

    /// The names of all files in order, whatever their extension, but not of those that are being written.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = list(self.directory.as_ref())?;
        names.retain(|name| !is_draft(name));
        Ok(names)
    }

    /// Removes a file that no record names any more, at once or when the last hold is dropped. A missing one is no error.
    pub fn remove(&self, name: &str) -> Result<()> {
        check_plain(name)?;
        self.removals.remove(name)
    }

    /// Nothing is removed until what this returns is dropped.
    pub fn hold(self: &Arc<Self>) -> RemovalHold {
        self.removals.hold()
    }

    /// Whether a file's content has the hash that its name carries; `None` when the name carries none.
    pub fn proves_itself(&self, name: &str) -> Result<Option<bool>> {
        check_plain(name)?;
        let Some(hash) = hash_in(name, &self.extension) else {
            return Ok(None);
        };
        let file = open_file(self.directory.as_ref(), name)?;
        let content = Content::read(file.as_ref(), &self.path().join(name))?;
        Ok(Some(hash_of(content.sha256) == hash))
    }
}

fn list(directory: &dyn StorageDirectory) -> Result<Vec<String>> {
    directory.list().map_err(|e| Error::io("list", directory.path(), e))
}
