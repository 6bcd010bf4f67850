//! The store: opening, writing, reading.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::core::Core;
use super::editor::Editor;
use super::files::{
    DATA_FILE, LOCK_FILE, NEW_DATA_FILE, WAL_FILE, create_file, is_there, open_file, sync_directory,
};
use super::recovery;
use super::snapshot::Snapshot;
use super::state::Current;
use super::sync::GroupSync;
use super::transaction::WriteTransaction;
use crate::backend::{FileDirectory, StorageBackend, StorageDirectory};
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

/// What the return of a commit promises. Whatever is chosen, the commit is atomic, visible to every snapshot
/// taken after it returns, and no crash leaves anything but a committed state no older than the last durable one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Visible, and nothing more: the end of the process by any way but [`GridStore::close`] may lose it, until a
    /// later stronger commit, which includes it, keeps it.
    None,
    /// Handed to the operating system: survives the end of the process (`kill -9` too), and is lost or kept as
    /// a whole when the machine itself goes down before it wrote its cache.
    Eventual,
    /// On the disk: survives the loss of power, if the disk keeps what it acknowledged to `fdatasync`. Includes
    /// every commit before it, whatever that one promised.
    #[default]
    Immediate,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct GridOptions {
    /// The write-ahead log is folded into the tree once it is longer than this.
    pub checkpoint_wal_bytes: u64,
    /// The line that a second process is shown beside this one's pid when it is refused.
    pub note: String,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { checkpoint_wal_bytes: 16 << 20, note: String::new() }
    }
}

/// Matrices, versions and metadata in one crash-safe, memory-mapped, copy-on-write tree. One writer at a time,
/// any number of readers that take no lock. Share it by `Arc`.
#[derive(Debug)]
pub struct GridStore {
    pub(super) core: Mutex<Core>,
    current: Current,
    pub(super) sync: GroupSync,
    wal: Arc<dyn StorageBackend>,
    pub(super) checkpoint_wal_bytes: u64,
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

    /// Opens the store in a directory of the caller's own making, as [`Self::open`] does but without a lock.
    pub fn open_directory(directory: Arc<dyn StorageDirectory>, options: &GridOptions) -> Result<Self> {
        Self::open_files(directory, options, None)
    }

    fn open_files(
        directory: Arc<dyn StorageDirectory>,
        options: &GridOptions,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Result<Self> {
        let place = directory.as_ref();
        if is_there(place, DATA_FILE)? {
            // A compaction that was cut short leaves one, which only takes space.
            let _ = place.remove(NEW_DATA_FILE);
        } else {
            create_file(place)?;
        }
        let data = open_file(place, DATA_FILE, DATA_FILE)?;
        let wal = open_file(place, WAL_FILE, WAL_FILE)?;
        // Nothing is acknowledged before the files can be found by their names after a loss of power.
        sync_directory(place)?;
        let mut store = Self::open_locked(data, wal, options, lock)?;
        store.directory = Some(directory);
        Ok(store)
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
        Self::open_locked(data, wal, options, None)
    }

    fn open_locked(
        data: Arc<dyn StorageBackend>,
        wal: Arc<dyn StorageBackend>,
        options: &GridOptions,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Result<Self> {
        let (core, current) = recovery::open(data, Arc::clone(&wal), lock.clone())?;
        Ok(Self {
            core: Mutex::new(core),
            current,
            sync: GroupSync::default(),
            wal,
            checkpoint_wal_bytes: options.checkpoint_wal_bytes,
            lock,
            directory: None,
        })
    }

    /// Changes the line that a second process is shown, for instance once the server knows its address.
    pub fn set_note(&self, note: &str) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.set_note(note))
    }

    /// Begins a write; waits while another one is open. Dropping it without a commit leaves no trace.
    pub fn begin_write(&self) -> Result<WriteTransaction<'_>> {
        let mut core = self.writer()?;
        core.begin()?;
        let editor = Editor::new(core.root, core.next_sequence);
        Ok(WriteTransaction::new(self, core, editor))
    }

    /// The newest committed state. Takes no lock; stays what it is while the writer moves on, and keeps its
    /// pages from being reused until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.current.load())
    }

    /// Lends the writer's half out; writers wait meanwhile.
    pub(crate) fn with_core<T>(&self, work: impl FnOnce(&mut Core) -> Result<T>) -> Result<T> {
        work(&mut self.core.lock())
    }

    pub(crate) fn current(&self) -> &Current {
        &self.current
    }

    pub(crate) fn wal_backend(&self) -> &Arc<dyn StorageBackend> {
        &self.wal
    }

    /// The directory and its lock, of a store that was opened by its directory.
    pub(crate) fn place(&self) -> Option<(&dyn StorageDirectory, Option<Arc<DirectoryLock>>)> {
        self.directory.as_deref().map(|directory| (directory, self.lock.clone()))
    }

    /// Makes everything durable and gives the directory back, as soon as the last snapshot is dropped too. Dropping the
    /// store does the same and ignores errors.
    pub fn close(self) -> Result<()> {
        self.seal()
    }

    fn seal(&self) -> Result<()> {
        self.core.lock().seal(&self.current, &|| self.sync.durable())
    }
}

impl Drop for GridStore {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`; after it there is nothing left to do here.
        let _ = self.seal();
    }
}
