//! The store: everything that can be done with one, each in a few lines over the modules below.

use std::path::Path;
use std::sync::Arc;

use super::commit::committer::Committer;
use super::commit::durability::Durability;
use super::commit::files::{
    DATA_FILE, LOCK_FILE, NEW_DATA_FILE, WAL_FILE, create_file, is_there, open_file, sync_directory,
};
use super::commit::recovery;
use super::read::snapshot::Snapshot;
use super::transaction::WriteTransaction;
use super::upkeep::compact::{Compacted, GridCopy, compact, copy_snapshot};
use super::upkeep::statistics::{GridStatistics, VersionStatistics, store_statistics, version_statistics};
use super::upkeep::verify::{VerifyReport, verify};
use super::write::update::UpdateBatch;
use crate::backend::directory::{FileDirectory, StorageDirectory};
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct GridOptions {
    /// The write-ahead log is folded into the tree before it would be longer than so many bytes.
    pub fold_wal_above: u64,
    /// The line that a second process is shown beside this one's pid when it is refused.
    pub note: String,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { fold_wal_above: 16 << 20, note: String::new() }
    }
}

/// Matrices, versions and metadata in one crash-safe, memory-mapped, copy-on-write tree. One writer at a time,
/// any number of readers that take no lock. Share it by `Arc`.
#[derive(Debug)]
pub struct GridStore {
    pub(super) committer: Committer,
    lock: Option<Arc<DirectoryLock>>,
    directory: Option<Arc<dyn StorageDirectory>>,
}

impl GridStore {
    /// Opens the store in `directory` (files `grid.data`, `grid.wal`, `grid.lock`), creating it when it is
    /// missing and recovering it when it was not closed. Refused with [`Error::Locked`] when it is open already.
    pub fn open(directory: &Path, options: &GridOptions) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|e| Error::io("create the directory", directory, e))?;
        let lock = Arc::new(DirectoryLock::acquire(directory, LOCK_FILE, &options.note)?);
        Self::open_files(Arc::new(FileDirectory::new(directory)), options, Some(lock))
    }

    /// Opens the store in `directory`, which must be there: without its `grid.data` it is [`Error::NotFound`], and nothing
    /// is made.
    pub fn open_existing(directory: &Path, options: &GridOptions) -> Result<Self> {
        if !is_there(&FileDirectory::new(directory), DATA_FILE)? {
            let name = directory.join(DATA_FILE).display().to_string();
            return Err(Error::NotFound { kind: "grid store", name });
        }
        Self::open(directory, options)
    }

    /// Opens the store in a directory of the caller's own making, as [`Self::open`] does but without a lock.
    pub fn open_directory(directory: Arc<dyn StorageDirectory>, options: &GridOptions) -> Result<Self> {
        Self::open_files(directory, options, None)
    }

    fn open_files(
        directory: Arc<dyn StorageDirectory>,
        options: &GridOptions,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Result<Self> {
        let files = directory.as_ref();
        if is_there(files, DATA_FILE)? {
            // A compaction that was cut short leaves one, which only takes space.
            let _ = files.remove(NEW_DATA_FILE);
        } else {
            create_file(files)?;
        }
        let data = open_file(files, DATA_FILE, DATA_FILE)?;
        let wal = open_file(files, WAL_FILE, WAL_FILE)?;
        // Nothing is acknowledged before the files can be found by their names after a loss of power.
        sync_directory(files)?;
        let committer = Committer::open(data, wal, lock.clone(), options.fold_wal_above)?;
        Ok(Self { committer, lock, directory: Some(directory) })
    }

    /// Writes an empty store into an empty backend, to be opened by [`Self::open_backends`].
    pub fn create_backend(data: &dyn StorageBackend) -> Result<()> {
        recovery::create(data)
    }

    /// Opens a store over files of the caller's own making, without a lock.
    pub fn open_backends(
        data: Arc<dyn StorageBackend>,
        wal: Arc<dyn StorageBackend>,
        options: &GridOptions,
    ) -> Result<Self> {
        let committer = Committer::open(data, wal, None, options.fold_wal_above)?;
        Ok(Self { committer, lock: None, directory: None })
    }

    /// Changes the line that a second process is shown, for instance once the server knows its address.
    pub fn set_note(&self, note: &str) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.set_note(note))
    }

    /// The newest committed state. Takes no lock; stays what it is while the writer moves on, and keeps its
    /// pages from being reused until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.committer.current().load())
    }

    /// Begins a write; waits while another one is open. Dropping it without a commit leaves no trace.
    pub fn begin_write(&self) -> Result<WriteTransaction<'_>> {
        WriteTransaction::begin(&self.committer)
    }

    /// Applies sparse updates through the write-ahead log. Calls from several threads share one `fdatasync`.
    ///
    /// An `Immediate` batch is visible a moment before it is durable; if its sync fails, it is taken back. What is said
    /// of errors at [`WriteTransaction::commit`] holds here too.
    pub fn update(&self, batch: &UpdateBatch, durability: Durability) -> Result<()> {
        self.committer.update(batch, durability)
    }

    /// Makes everything committed so far durable and folds the write-ahead log into the tree.
    pub fn sync(&self) -> Result<()> {
        self.committer.fold_log(&mut *self.committer.lock()?)
    }

    /// How large the store is.
    pub fn statistics(&self) -> Result<GridStatistics> {
        self.committer.with_head(|head| store_statistics(head))
    }

    /// What a version holds and shares. Walks its tree, without reading its chunks; writers wait meanwhile.
    pub fn version_statistics(&self, adapter: &str, version: &str) -> Result<VersionStatistics> {
        self.committer.with_head(|head| version_statistics(head, adapter, version))
    }

    /// Reads everything that the newest state refers to, checks every checksum and every encoding, and compares the
    /// allocator with what is in use. Damage is reported, not returned as an error. Writers wait meanwhile.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.committer.with_head(verify)
    }

    /// Copies everything into a new file without holes, which replaces the old one. Snapshots taken before go on reading
    /// the old file, whose space is free once they are dropped. Writers wait meanwhile; a crash leaves the old file or
    /// the new one. When the directory cannot be synced, a loss of power could leave either, and the store takes no more
    /// writes until it is opened again.
    pub fn compact(&self) -> Result<Compacted> {
        let Some(directory) = &self.directory else {
            return Err(Error::argument(
                "store",
                "only a store that was opened by its directory can be compacted",
            ));
        };
        compact(&self.committer, directory.as_ref(), self.lock.as_ref())
    }

    /// Writes a store without holes into the directory `into`, which must not hold one, with the state of a snapshot of
    /// this store. The copy is closed and durable when this returns. Writers go on meanwhile, and the space of what they
    /// replace is not used again before the snapshot is dropped.
    pub fn copy_to(&self, snapshot: &Snapshot, into: &Path) -> Result<GridCopy> {
        if snapshot.state().source.path != self.committer.current().load().source.path {
            return Err(Error::argument("snapshot", "it is one of another store"));
        }
        copy_snapshot(snapshot, into)
    }

    /// Makes everything durable and gives the directory back, as soon as the last snapshot is dropped too. Dropping the
    /// store does the same and ignores errors.
    pub fn close(self) -> Result<()> {
        self.committer.seal()
    }
}

impl Drop for GridStore {
    fn drop(&mut self) {
        // A caller that wants the error calls `close`, after which there is nothing left to do here.
        let _ = self.committer.seal();
    }
}
