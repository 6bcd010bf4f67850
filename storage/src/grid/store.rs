//! The store: opening, writing, reading.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::core::Core;
use super::editor::Editor;
use super::recovery;
use super::snapshot::Snapshot;
use super::state::Current;
use super::sync::{GroupSync, Outcome};
use super::transaction::WriteTransaction;
use super::update::UpdateBatch;
use super::wal::MAX_PAYLOAD;
use crate::backend::{FileBackend, StorageBackend};
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

pub(crate) const DATA_FILE: &str = "grid.data";
pub(crate) const NEW_DATA_FILE: &str = "grid.data.new";
pub(crate) const WAL_FILE: &str = "grid.wal";
pub(crate) const LOCK_FILE: &str = "grid.lock";

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
        Self {
            checkpoint_wal_bytes: 16 << 20,
            note: String::new(),
        }
    }
}

/// Matrices, versions and metadata in one crash-safe, memory-mapped, copy-on-write tree. One writer at a time,
/// any number of readers that take no lock. Share it by `Arc`.
#[derive(Debug)]
pub struct GridStore {
    core: Mutex<Core>,
    current: Current,
    sync: GroupSync,
    wal: Arc<dyn StorageBackend>,
    checkpoint_wal_bytes: u64,
    lock: Option<Arc<DirectoryLock>>,
    directory: Option<PathBuf>,
}

impl GridStore {
    /// Opens the store in `directory` (files `grid.data`, `grid.wal`, `grid.lock`), creating it when it is
    /// missing and recovering it when it was not closed. Refused with [`Error::Locked`] when it is open already.
    pub fn open(directory: &Path, options: &GridOptions) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|e| Error::io("create the directory", directory, e))?;
        let lock = Arc::new(DirectoryLock::acquire(directory, LOCK_FILE, &options.note)?);
        let data_path = directory.join(DATA_FILE);
        if !is_there(&data_path)? {
            create_file(directory)?;
        }
        let open = |name: &str| {
            let path = directory.join(name);
            FileBackend::open(&path)
                .map(Arc::new)
                .map_err(|e| Error::io("open", &path, e))
        };
        let (data, wal) = (open(DATA_FILE)?, open(WAL_FILE)?);
        // Nothing is acknowledged before the files can be found by their names after a loss of power.
        sync_directory(directory)?;
        let mut store = Self::open_locked(data, wal, options, Some(lock))?;
        store.directory = Some(directory.to_owned());
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
        let mut core = self.core.lock();
        core.begin()?;
        let editor = Editor::new(core.root, core.next_sequence);
        Ok(WriteTransaction::new(self, core, editor))
    }

    /// Applies sparse updates through the write-ahead log. Calls from several threads share one `fdatasync`.
    ///
    /// An `Immediate` batch is visible a moment before it is durable; if its sync fails, it is taken back.
    pub fn update(&self, batch: &UpdateBatch, durability: Durability) -> Result<()> {
        let mut core = self.core.lock();
        core.begin()?;
        let mut editor = Editor::new(core.root, core.next_sequence);
        let root = match editor
            .apply(&mut core.writer, batch)
            .and_then(|()| editor.flush(&mut core.writer))
        {
            Ok(root) => root,
            Err(error) => {
                core.abort();
                return Err(error);
            }
        };
        let payload = if durability == Durability::None {
            Vec::new()
        } else {
            batch.encode()
        };
        let log_grows = core.wal.len().saturating_add(payload.len() as u64) <= self.checkpoint_wal_bytes;
        let by_log = durability != Durability::None && core.log_continues && payload.len() <= MAX_PAYLOAD;
        if !(by_log && log_grows) {
            // A full log is folded into the tree, which makes the batch durable whatever was asked.
            let durability = if by_log { Durability::Immediate } else { durability };
            let next_sequence = core.next_sequence;
            return self.finish(&mut core, root, next_sequence, durability);
        }
        if let Err(error) = core
            .writer
            .objects
            .write_out()
            .and_then(|()| core.wal.append(&payload))
        {
            core.abort();
            // What was refused must not come back: the next durable commit begins the log anew.
            core.log_continues = false;
            return Err(error);
        }
        let next_sequence = core.next_sequence;
        core.adopt(root, next_sequence, &self.current);
        core.ticket += 1;
        let ticket = core.ticket;
        self.sync.appended(ticket, core.wal.last());
        drop(core);
        if durability == Durability::Immediate {
            self.make_durable(ticket)
        } else {
            Ok(())
        }
    }

    fn make_durable(&self, ticket: u64) -> Result<()> {
        match self.sync.wait(ticket) {
            Outcome::Durable => Ok(()),
            Outcome::Failed => Err(Error::io(
                "sync",
                self.wal.path(),
                std::io::Error::other(
                    "the sync that this update shared with others failed; it was taken back",
                ),
            )),
            Outcome::Lead => self
                .sync
                .lead(|| self.wal.sync().map_err(|e| Error::io("sync", self.wal.path(), e)))
                .inspect_err(|_| {
                    let mut core = self.core.lock();
                    core.return_to_durable(&self.current, self.sync.durable_records());
                    self.sync.failed();
                }),
        }
    }

    /// Commits an attempt by the tree.
    pub(crate) fn finish(
        &self,
        core: &mut Core,
        root: super::format::Ref,
        next_sequence: u64,
        durability: Durability,
    ) -> Result<()> {
        core.finish(root, next_sequence, durability, &self.current)?;
        if core.durable.commit == core.commit {
            self.sync.checkpointed(core.ticket);
        }
        Ok(())
    }

    /// The newest committed state. Takes no lock; stays what it is while the writer moves on, and keeps its
    /// pages from being reused until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.current.load())
    }

    /// Makes everything committed so far durable and folds the write-ahead log into the tree.
    pub fn sync(&self) -> Result<()> {
        let mut core = self.core.lock();
        if core.is_checkpointed() {
            return Ok(());
        }
        core.checkpoint(&self.current)?;
        self.sync.checkpointed(core.ticket);
        Ok(())
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
    pub(crate) fn place(&self) -> Option<(&Path, Option<Arc<DirectoryLock>>)> {
        self.directory
            .as_deref()
            .map(|directory| (directory, self.lock.clone()))
    }

    /// Everything so far is durable by way of a superblock.
    pub(crate) fn note_checkpoint(&self, ticket: u64) {
        self.sync.checkpointed(ticket);
    }

    /// Makes everything durable and gives the directory back, as soon as the last snapshot is dropped too. Dropping the store does the same and ignores errors.
    pub fn close(self) -> Result<()> {
        self.core.lock().seal(&self.current)
    }
}

impl Drop for GridStore {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`; after it there is nothing left to do here.
        let _ = self.core.lock().seal(&self.current);
    }
}

/// Creates the data file under another name first, so that a file of the right name is always a whole one.
fn create_file(directory: &Path) -> Result<()> {
    recovery::create(&new_file(directory)?)?;
    take_new_file(directory)
}

/// An empty file beside the data file.
pub(crate) fn new_file(directory: &Path) -> Result<FileBackend> {
    let new = directory.join(NEW_DATA_FILE);
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::io("remove", &new, error));
    }
    FileBackend::open(&new).map_err(|e| Error::io("open", &new, e))
}

/// Makes the new file, which is synced, the data file; durable once the directory is synced.
pub(crate) fn take_new_file(directory: &Path) -> Result<()> {
    let (new, data) = (directory.join(NEW_DATA_FILE), directory.join(DATA_FILE));
    std::fs::rename(&new, &data).map_err(|e| Error::io("rename", &new, e))
}

/// Makes the names of the files durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|e| Error::io("sync the directory", directory, e))
}

/// Whether there is a file of this name. Not knowing is an error: what is there must not be replaced.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|e| Error::io("look for", path, e))
}
