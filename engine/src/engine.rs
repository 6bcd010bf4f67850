//! All that the engine can do, on one page.
//!
//! Every method hands its request to the module that knows how: [`crate::models`], [`crate::answering`],
//! [`crate::adapters`], [`crate::training`], [`crate::trajectories`], [`crate::catalog`], [`crate::upkeep`]. The modules
//! take from here what they need and do not know the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_storage::{
    DirectoryLock, LogPosition, RebuildableIndex, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions,
};
use parking_lot::Mutex;

use crate::adapter_files::export::export;
use crate::adapter_files::format::AdapterFormat;
use crate::adapter_files::import::{ImportRequest, import};
use crate::adapter_files::nvdb::ExportedAdapter;
use crate::adapters::checkpoints::{self, CheckpointRow};
use crate::adapters::delayed_sync::DelayedSync;
use crate::adapters::store::AdapterStore;
use crate::adapters::versions::{self, AdapterRow, RestoreSource};
use crate::adapters::weights::{WeightBatch, WeightDifferenceBatch, WeightFilter, diff, scan};
use crate::answering::answer_stream::Generation;
use crate::answering::embed::embed;
use crate::answering::generate::Generator;
use crate::answering::score::score;
use crate::answering::tokens::{detokenize, tokenize};
use crate::catalog::conversations::{ConversationRow, Conversations};
use crate::catalog::settings::{SettingRow, Settings};
use crate::catalog::tables::TableCatalog;
use crate::clock::now_micros;
use crate::data_dir::contents::Contents;
use crate::data_dir::{FILES, INDEX, LOCK_FILE, MODELS, TABLES, TRAJECTORIES, lost_found};
use crate::error::{Error, Result};
use crate::models::bundled;
use crate::models::entry::ModelRow;
use crate::models::registry::Registry;
use crate::options::{BUNDLED_MODEL, EngineOptions};
use crate::recording::log_end::reached;
use crate::recording::recorder::Recorder;
use crate::recording::trajectory::{TrajectoryRow, TrajectoryTokenRow};
use crate::requests::embed::{EmbedRequest, Embedding};
use crate::requests::generate::{Completion, GenerateRequest};
use crate::requests::score::{Score, ScoreRequest};
use crate::statistics::{StatisticRow, Statistics};
use crate::training::events::TrainingRun;
use crate::training::request::TrainRequest;
use crate::training::rows::{TrainingRunRow, TrainingStepRow};
use crate::training::runs::Training;
use crate::trajectories::embeddings::forget_removed;
use crate::trajectories::follower::{Followed, TrajectoryEmbeddings};
use crate::trajectories::scan::{TrajectoryFilter, trajectories, trajectory_tokens};
use crate::upkeep::backup::{BackupReport, Source};
use crate::upkeep::compact::{CompactedStore, compact};
use crate::upkeep::freeze::{FrozenFormat, RecodedAdapter, freeze, thaw};
use crate::upkeep::grid_statistics::{GridStatisticsRow, grid_statistics};
use crate::upkeep::opening::open_store;
use crate::upkeep::verify::{VerifiedStore, verify};

/// Rows that are read as the iterator is driven.
type Rows<T> = Box<dyn Iterator<Item = Result<T>> + Send>;

/// A data directory opened for answering and training.
#[derive(Debug)]
pub struct Engine {
    options: Arc<EngineOptions>,
    tables: Arc<TableCatalog>,
    settings: Arc<Settings>,
    statistics: Arc<Statistics>,
    pub(crate) adapter_store: AdapterStore,
    pub(crate) registry: Arc<Registry>,
    pub(crate) recorder: Arc<Recorder>,
    generator: Generator,
    pub(crate) training: Training,
    trajectory_embeddings: TrajectoryEmbeddings,
    delayed_sync: DelayedSync,
    closed: AtomicBool,
    /// Released last.
    lock: Mutex<DirectoryLock>,
}

/// Opening and closing.
impl Engine {
    /// Opens the data directory and takes its lock, which is held until the engine is dropped. A directory that is empty
    /// or not there is made, and one of version 1 is taken over; one that has lost a part is refused.
    pub fn open(options: EngineOptions) -> Result<Arc<Self>> {
        let options = Arc::new(options);
        let data_dir = &options.data_dir;
        let (lock, adapter_store) = open_directory(data_dir)?;
        bundled::materialise(&data_dir.join(MODELS).join(BUNDLED_MODEL))?;
        let statistics = Arc::new(Statistics::default());
        let tables = Arc::new(TableCatalog::open(adapter_store.clone(), data_dir)?);
        let settings = Arc::new(Settings::new(adapter_store.clone(), options.default_model.clone()));
        let delayed_sync = adapter_store.start_delayed_sync()?;
        let log = open_log(data_dir, &kept_trajectories(&settings), reached(&adapter_store))?;
        forget_removed(&adapter_store, log.first_id())?;
        let recorder = Recorder::try_new(
            log,
            adapter_store.clone(),
            options.recording_capacity,
            Arc::clone(&statistics),
        )?;
        let recorder = Arc::new(recorder);
        let registry = Registry::new(Arc::clone(&options), Arc::clone(&settings), Arc::clone(&statistics));
        let registry = Arc::new(registry);
        let training = Training::open(
            Arc::clone(&options),
            Arc::clone(&registry),
            adapter_store.clone(),
            Arc::clone(&statistics),
        )?;
        let generator = Generator {
            registry: Arc::clone(&registry),
            adapter_store: adapter_store.clone(),
            conversations: Conversations::new(adapter_store.clone()),
            recorder: Arc::clone(&recorder),
            settings: Arc::clone(&settings),
            statistics: Arc::clone(&statistics),
        };
        let trajectory_embeddings = TrajectoryEmbeddings::start(Followed {
            log: Arc::clone(recorder.log()),
            store: adapter_store.clone(),
            registry: Arc::clone(&registry),
            settings: Arc::clone(&settings),
            statistics: Arc::clone(&statistics),
        })?;
        Ok(Arc::new(Self {
            options,
            tables,
            settings,
            statistics,
            adapter_store,
            registry,
            recorder,
            generator,
            training,
            trajectory_embeddings,
            delayed_sync,
            closed: AtomicBool::new(false),
            lock: Mutex::new(lock),
        }))
    }

    /// Writes a line (the server's address) into the lock file; a process that finds the directory locked shows it.
    pub fn announce(&self, line: &str) -> Result<()> {
        Ok(self.lock.lock().set_note(line)?)
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
        self.delayed_sync.stop();
        self.adapter_store.sync()
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The directory that was opened.
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }

    /// Where the files of users' tables are kept.
    pub fn tables_dir(&self) -> PathBuf {
        self.data_dir().join(TABLES)
    }

    /// The directory under which SQL may read and write files.
    pub fn files_dir(&self) -> PathBuf {
        self.data_dir().join(FILES)
    }
}

/// Answers.
impl Engine {
    /// Starts an answer; waits while the model loads and while its queue is full.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Generation> {
        self.check_open()?;
        self.generator.stream(request).await
    }

    /// A whole answer at once; dropping the future cancels it.
    pub async fn complete(&self, request: GenerateRequest) -> Result<Completion> {
        self.check_open()?;
        self.generator.complete(request).await
    }

    /// Log-probability of a completion after a prompt.
    pub async fn score(&self, request: ScoreRequest) -> Result<Score> {
        self.check_open()?;
        let runtime = self.registry.runtime(request.model.as_deref()).await?;
        score(&runtime, &self.adapter_store, request).await
    }

    /// The vectors of texts, in their order.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>> {
        self.check_open()?;
        let runtime = self.registry.runtime(request.model.as_deref()).await?;
        embed(&runtime, request).await
    }

    /// Length of a model's embeddings, for planning; `None` is the default model.
    pub fn embedding_length(&self, model: Option<&str>) -> Result<usize> {
        Ok(self.registry.entry(model)?.files()?.config().hidden_size)
    }

    /// The ids of a text, without special tokens around it; `model` is the default one when `None`.
    pub fn tokenize(&self, text: &str, model: Option<&str>) -> Result<Vec<u32>> {
        tokenize(&*self.registry.entry(model)?.files()?, text)
    }

    /// The text of ids; an id outside the vocabulary is an error.
    pub fn detokenize(&self, ids: &[u32], model: Option<&str>) -> Result<String> {
        detokenize(&*self.registry.entry(model)?.files()?, ids)
    }

    /// How many tokens a text has.
    pub fn count_tokens(&self, text: &str, model: Option<&str>) -> Result<usize> {
        self.tokenize(text, model).map(|ids| ids.len())
    }

    /// The conversations, by name.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>> {
        self.generator.conversations.rows()
    }

    /// The models that can answer, by name. Opens files that were not opened yet, so it may take a moment.
    pub fn models(&self) -> Result<Vec<ModelRow>> {
        self.registry.rows()
    }

    /// Name of the model that answers when a request names none.
    pub fn default_model(&self) -> Result<String> {
        self.settings.default_model()
    }
}

/// Recorded answers.
impl Engine {
    /// Recorded answers. Rows are read as the iterator is driven.
    pub fn trajectories(&self, filter: &TrajectoryFilter) -> Result<Rows<TrajectoryRow>> {
        trajectories(&self.recorder, &self.adapter_store, filter)
    }

    /// Tokens of recorded answers. Rows are read as the iterator is driven.
    pub fn trajectory_tokens(&self, filter: &TrajectoryFilter) -> Result<Rows<TrajectoryTokenRow>> {
        trajectory_tokens(&self.recorder, self.registry.known_tokenizers(), filter)
    }
}

/// Adapters.
impl Engine {
    /// All versions of all adapters, by name and version.
    pub fn adapters(&self) -> Result<Vec<AdapterRow>> {
        versions::rows(&self.adapter_store.snapshot())
    }

    /// The version that a name (`name`, `name@version`, `name@tag`) means now.
    pub fn adapter(&self, name: &str) -> Result<AdapterRow> {
        versions::find(&self.adapter_store, name)
    }

    /// Publishes a new version of `name` with the weights of an earlier version or of a checkpoint.
    pub fn restore_adapter(&self, name: &str, source: &RestoreSource) -> Result<AdapterRow> {
        versions::restore(&self.adapter_store, name, source)
    }

    /// Publishes `source` (`name`, `name@version` or `name@tag`) as version 1 of the new adapter `name`; pages are shared.
    pub fn branch_adapter(&self, source: &str, name: &str) -> Result<AdapterRow> {
        versions::branch(&self.adapter_store, source, name)
    }

    /// Points a tag at a version of an adapter, moving it when it is there already.
    pub fn tag_adapter(&self, name: &str, tag: &str) -> Result<AdapterRow> {
        versions::tag(&self.adapter_store, name, tag)
    }

    /// Drops an adapter (`name`) with all its versions and checkpoints, or one version (`name@version`). Returns how many
    /// versions were dropped.
    pub fn drop_adapter(&self, name: &str) -> Result<u64> {
        versions::remove(&self.adapter_store, name, |adapter| self.training.run_of(adapter))
    }

    /// Drops all versions of an adapter but the newest `keep_last` and, with `keep_tagged`, those that have a tag.
    /// Checkpoints stay. Returns the versions that were dropped, newest first.
    pub fn rotate_adapter(&self, name: &str, keep_last: usize, keep_tagged: bool) -> Result<Vec<String>> {
        versions::rotate(&self.adapter_store, name, keep_last, keep_tagged)
    }

    /// The active weights of one version, read from the store batch by batch as the iterator is driven.
    pub fn adapter_weights(&self, name: &str, filter: &WeightFilter) -> Result<Rows<WeightBatch>> {
        Ok(Box::new(scan::scan(&self.adapter_store, name, filter)?))
    }

    /// The weights that two versions, of one adapter or of two, hold differently, batch by batch as the iterator is
    /// driven. Pages that both versions share, and those without a value that the filter lets through, are not read.
    pub fn adapter_diff(
        &self,
        old: &str,
        new: &str,
        filter: &WeightFilter,
    ) -> Result<Rows<WeightDifferenceBatch>> {
        Ok(Box::new(diff::diff(&self.adapter_store, old, new, filter)?))
    }

    /// Writes a version (`name`, `name@version` or `name@tag`) to a file and its record beside it. Each of the two
    /// replaces a file of that name as a whole or not at all.
    pub async fn export_adapter(
        &self,
        name: &str,
        path: &Path,
        format: AdapterFormat,
    ) -> Result<ExportedAdapter> {
        export(&self.adapter_store, name, path, format).await
    }

    /// Publishes the weights of a file as the next version of an adapter. Refused when the file was not written for
    /// the base model, does not fit it, or does not hold the weights that its record names.
    pub async fn import_adapter(&self, request: ImportRequest) -> Result<AdapterRow> {
        import(&self.adapter_store, &self.registry, request).await
    }
}

/// Training.
impl Engine {
    /// Starts a training run. Bad data and parameters are refused here, before a run is recorded.
    pub async fn train(&self, request: TrainRequest) -> Result<TrainingRun> {
        self.check_open()?;
        self.training.train(request).await
    }

    /// Cancels a run within one step; its stream ends with [`Error::Cancelled`].
    pub fn cancel_training(&self, run_id: u64) -> Result<()> {
        self.training.cancel(run_id)
    }

    /// All training runs, by number.
    pub fn training_runs(&self) -> Result<Vec<TrainingRunRow>> {
        self.training.rows()
    }

    /// The steps of one run, or of all runs, in order. Steps of the last second may still be missing.
    pub fn training_steps(&self, run_id: Option<u64>) -> Result<Vec<TrainingStepRow>> {
        self.training.steps(run_id)
    }

    /// Takes a checkpoint: of the running training run of that adapter at its next step, else of its latest version.
    pub async fn checkpoint_adapter(&self, name: &str) -> Result<CheckpointRow> {
        self.training.checkpoint(name).await
    }

    /// All checkpoints, by id.
    pub fn checkpoints(&self) -> Result<Vec<CheckpointRow>> {
        checkpoints::rows(&self.adapter_store.snapshot())
    }
}

/// Settings, tables, statistics.
impl Engine {
    /// All settings, by name.
    pub fn settings(&self) -> Result<Vec<SettingRow>> {
        Ok(self.settings.rows())
    }

    /// The value of one setting.
    pub fn setting(&self, name: &str) -> Result<String> {
        self.settings.get(name)
    }

    /// Sets and persists a setting; the value is checked and normalised (`off`, `false` and `0` are `off`).
    pub fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        self.settings.set(name, value, |model| self.registry.entry(Some(model))?.files().map(drop))
    }

    /// Gives a setting its default back.
    pub fn reset_setting(&self, name: &str) -> Result<()> {
        self.settings.reset(name)
    }

    /// The users' tables: their definitions and the parts that their rows are in.
    pub fn tables(&self) -> &TableCatalog {
        &self.tables
    }

    /// Counters of requests, tokens, records, cancellations and of what waits now.
    pub fn statistics(&self) -> Vec<StatisticRow> {
        self.statistics.rows()
    }
}

/// Care for the weight store and the log.
impl Engine {
    /// A row a version, drafts included, by adapter and age, and at last the row of the store, each measured when the
    /// iterator comes to it. The embeddings of trajectories count in the last row alone. With `adapter`, only its
    /// versions.
    pub fn grid_statistics(&self, adapter: Option<&str>) -> Result<Rows<GridStatisticsRow>> {
        Ok(Box::new(grid_statistics(&self.adapter_store, adapter)?))
    }

    /// Compresses what a version alone holds; it answers as before and is read more slowly. A version
    /// that is frozen in another format is frozen again in this one.
    pub async fn freeze_adapter(&self, name: &str, format: FrozenFormat) -> Result<RecodedAdapter> {
        freeze(&self.adapter_store, name, format).await
    }

    /// Undoes [`Engine::freeze_adapter`].
    pub async fn thaw_adapter(&self, name: &str) -> Result<RecodedAdapter> {
        thaw(&self.adapter_store, name).await
    }

    /// Rewrites the weight store without holes, gives the rest of its space back and empties `lost+found`. Writes wait
    /// meanwhile; answers go on.
    pub async fn compact(&self) -> Result<CompactedStore> {
        compact(&self.adapter_store, self.data_dir()).await
    }

    /// Makes a backup `into`, a directory that must not exist: a copy of the data directory as it is at one moment of the
    /// call, which [`crate::restore`] makes a data directory of. Everything goes on meanwhile. What is damaged is not
    /// copied: then there is no backup, and the error names it. Blocks for as long as everything takes to be read and
    /// written.
    pub fn backup(&self, into: &Path) -> Result<BackupReport> {
        self.check_open()?;
        let source = Source {
            store: &self.adapter_store,
            tables: &self.tables,
            recorder: &self.recorder,
            data_dir: self.data_dir(),
        };
        source.back_up(into)
    }

    /// Reads every page of the weight store, every recorded answer and every part of the users' tables, and verifies
    /// checksums and references. Writes to the weight store wait while it is read; answers go on.
    pub async fn verify_store(&self) -> Result<VerifiedStore> {
        verify(&self.adapter_store, &self.recorder, &self.tables, self.data_dir()).await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the engine did not close cleanly");
        }
    }
}

/// Locks a data directory and opens the weight store in it.
fn open_directory(data_dir: &Path) -> Result<(DirectoryLock, AdapterStore)> {
    std::fs::create_dir_all(data_dir).map_err(Error::io("make the directory", data_dir))?;
    // What is not opened gets no lock file either; what counts is how it looks once it is locked.
    Contents::of(data_dir)?;
    let lock = DirectoryLock::acquire(data_dir, LOCK_FILE, "")?;
    let store = open_store(data_dir, Contents::of(data_dir)?)?;
    if let Err(error) = lost_found::remove_old(data_dir) {
        tracing::error!(%error, "what was set aside long ago could not be removed");
    }
    Ok((lock, store))
}

/// Which recorded answers are kept: all of them where a setting that says so is damaged.
fn kept_trajectories(settings: &Settings) -> RetentionPolicy {
    settings.retention().unwrap_or_else(|error| {
        tracing::error!(%error, "no recorded answer is removed before the setting is set again");
        RetentionPolicy::default()
    })
}

/// Opens the log of recorded answers, without those that are no longer kept.
fn open_log(data_dir: &Path, kept: &RetentionPolicy, reached: LogPosition) -> Result<TrajectoryLog> {
    let index = RebuildableIndex::open(&data_dir.join(INDEX));
    let options = TrajectoryLogOptions { reached, ..TrajectoryLogOptions::default() };
    let log = TrajectoryLog::open_with(&data_dir.join(TRAJECTORIES), &options, Some(&index))?;
    for file in log.set_aside() {
        tracing::warn!(file = %file.display(), "a damaged segment of recorded answers was set aside; it is not read");
    }
    if *kept != RetentionPolicy::default() {
        let removed = log.retain(kept, (now_micros() / 1000).unsigned_abs())?;
        if removed.records > 0 {
            tracing::info!(records = removed.records, bytes = removed.bytes, "removed old recorded answers");
        }
    }
    Ok(log)
}
