//! The engine itself: opening and closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hyprstream_storage::{
    Catalog, DirectoryLock, GridOptions, GridStore, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions,
};
use parking_lot::Mutex;

use crate::adapter_store::AdapterStore;
use crate::bundled_model;
use crate::errors::{Error, Result};
use crate::options::EngineOptions;
use crate::recording::Recorder;
use crate::registry::{BUNDLED, Registry};
use crate::sessions::Sessions;
use crate::settings::{Settings, TRAJECTORY_DAYS, TRAJECTORY_MEGABYTES};
use crate::statistics::Statistics;
use crate::training::Training;
use crate::trajectory_embeddings::{Followed, TrajectoryEmbeddings, forget_removed};

pub(crate) const LOCK_FILE: &str = "hyprstream.lock";

/// The process that holds a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, when it is known.
    pub pid: Option<u32>,
    /// What it announced, such as its server's address; may be empty.
    pub address: String,
}

/// A data directory opened for answering and training.
#[derive(Debug)]
pub struct Engine {
    pub(crate) options: EngineOptions,
    pub(crate) catalog: Catalog,
    pub(crate) settings: Arc<Settings>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) adapter_store: AdapterStore,
    pub(crate) sessions: Sessions,
    pub(crate) training: Training,
    pub(crate) registry: Arc<Registry>,
    pub(crate) recorder: Recorder,
    trajectory_embeddings: TrajectoryEmbeddings,
    closed: AtomicBool,
    /// Released last.
    lock: Mutex<DirectoryLock>,
}

impl Engine {
    /// Opens the data directory, making it when it is not there, and takes its lock.
    ///
    /// The lock is held until the engine is dropped.
    pub fn open(options: EngineOptions) -> Result<Arc<Self>> {
        let data_dir = options.data_dir.clone();
        if !data_dir.join("catalog").exists() {
            tracing::info!(directory = %data_dir.display(), "making a new data directory");
        }
        for directory in ["", "models", "cache", "grid", "catalog", "trajectories", "tables", "files"] {
            let path = data_dir.join(directory);
            std::fs::create_dir_all(&path).map_err(Error::io("make the directory", &path))?;
        }
        let lock = DirectoryLock::acquire(&data_dir, LOCK_FILE, "")?;
        bundled_model::materialise(&data_dir.join("models").join(BUNDLED))?;
        let catalog = Catalog::open(&data_dir.join("catalog"))?;
        let settings = Arc::new(Settings::try_new(catalog.clone(), options.default_model.clone())?);
        let grid = GridStore::open(&data_dir.join("grid"), &GridOptions::default())?;
        let adapter_store = AdapterStore::new(Arc::new(grid));
        let log = TrajectoryLog::open(&data_dir.join("trajectories"), &TrajectoryLogOptions::default())?;
        for file in log.set_aside() {
            tracing::warn!(file = %file.display(), "a damaged segment of recorded answers was set aside; it is not read");
        }
        retain(&log, &settings)?;
        forget_removed(&adapter_store, log.first_id())?;
        let statistics = Arc::new(Statistics::default());
        let recorder =
            Recorder::try_new(log, catalog.clone(), options.recording_capacity, Arc::clone(&statistics))?;
        let training = Training::open(adapter_store.clone(), catalog.clone(), Arc::clone(&statistics))?;
        let registry = Arc::new(Registry::new(&options, Arc::clone(&statistics)));
        let trajectory_embeddings = TrajectoryEmbeddings::start(Followed {
            log: Arc::clone(recorder.log()),
            store: adapter_store.clone(),
            registry: Arc::clone(&registry),
            settings: Arc::clone(&settings),
            statistics: Arc::clone(&statistics),
        })?;
        Ok(Arc::new(Self {
            options,
            settings,
            statistics,
            adapter_store,
            sessions: Sessions::new(catalog.clone()),
            catalog,
            training,
            registry,
            recorder,
            trajectory_embeddings,
            closed: AtomicBool::new(false),
            lock: Mutex::new(lock),
        }))
    }

    /// Writes a line (the server's address) into the lock file, for whoever finds the directory locked.
    pub fn announce(&self, line: &str) -> Result<()> {
        Ok(self.lock.lock().set_note(line)?)
    }

    /// Who holds a data directory now; `None` when nobody does.
    pub fn holder(data_dir: &Path) -> Result<Option<Holder>> {
        let holder = DirectoryLock::holder(data_dir, LOCK_FILE)?;
        Ok(holder.map(|holder| Holder { pid: holder.pid, address: holder.note }))
    }

    /// Cancels what runs, writes what is pending and stops every thread. Further requests fail with
    /// [`Error::Cancelled`]. Closing twice does nothing.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.trajectory_embeddings.stop();
        self.training.close();
        self.registry.close();
        self.trajectory_embeddings.join();
        self.recorder.close()?;
        self.catalog.flush()?;
        self.adapter_store.sync()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Where the files of users' tables are kept.
    pub fn tables_dir(&self) -> PathBuf {
        self.options.data_dir.join("tables")
    }

    /// The directory under which SQL may read and write files.
    pub fn files_dir(&self) -> PathBuf {
        self.options.data_dir.join("files")
    }

    /// The directory that was opened.
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the engine did not close cleanly");
        }
    }
}

/// Removes the recorded answers that the settings no longer keep.
fn retain(log: &TrajectoryLog, settings: &Settings) -> Result<()> {
    let number = |name| settings.get(name).map(|value| value.parse::<u64>().unwrap_or(0));
    let (days, megabytes) = (number(TRAJECTORY_DAYS)?, number(TRAJECTORY_MEGABYTES)?);
    if days == 0 && megabytes == 0 {
        return Ok(());
    }
    let policy = RetentionPolicy {
        max_age_ms: (days > 0).then_some(days * 86_400_000),
        max_bytes: (megabytes > 0).then_some(megabytes << 20),
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let removed = log.retain(&policy, now_ms)?;
    if removed.records > 0 {
        tracing::info!(records = removed.records, bytes = removed.bytes, "removed old recorded answers");
    }
    Ok(())
}
