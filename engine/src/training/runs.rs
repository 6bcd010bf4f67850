//! The runs of a data directory: starting, cancelling, listing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use hyprstream_learning::{BaseWeights, Example, LoraTrainer};
use hyprstream_models::ContentHash;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::adapters::checkpoints::{CheckpointRow, take_of_version};
use crate::adapters::name::{check_name, parse_one};
use crate::adapters::store::{AdapterStore, next_number};
use crate::blocking::blocking;
use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::json::to_json;
use crate::models::entry::ModelEntry;
use crate::models::registry::Registry;
use crate::models::sizing::cores;
use crate::options::EngineOptions;
use crate::statistics::Statistics;
use crate::training::dataset::{dataset_hash, examples};
use crate::training::events::TrainingRun;
use crate::training::hyperparameters::Hyperparameters;
use crate::training::records::{all_runs, last_step, put_run, read_steps, unknown_run};
use crate::training::request::TrainRequest;
use crate::training::rows::{RunStatus, TrainingRunRow, TrainingStepRow};
use crate::training::run::{CheckpointRequest, Run};

/// The runs in progress, and the records of all.
#[derive(Debug)]
pub(crate) struct Training {
    options: Arc<EngineOptions>,
    registry: Arc<Registry>,
    store: AdapterStore,
    statistics: Arc<Statistics>,
    active: Arc<Mutex<ActiveRuns>>,
}

#[derive(Debug, Default)]
struct ActiveRuns {
    by_id: BTreeMap<u64, ActiveRun>,
    /// No further run may start.
    closed: bool,
}

#[derive(Debug)]
struct ActiveRun {
    adapter: String,
    cancel: Arc<AtomicBool>,
    steps_done: Arc<AtomicU64>,
    checkpoint_requests: Sender<CheckpointRequest>,
    thread: Option<JoinHandle<()>>,
}

impl Training {
    /// Marks the runs that the last process left running as interrupted.
    pub(crate) fn open(
        options: Arc<EngineOptions>,
        registry: Arc<Registry>,
        store: AdapterStore,
        statistics: Arc<Statistics>,
    ) -> Result<Self> {
        let mut left: Vec<TrainingRunRow> = all_runs(&store)?;
        left.retain(|run| run.status == RunStatus::Running);
        if !left.is_empty() {
            for run in &mut left {
                run.status = RunStatus::Interrupted;
                run.steps = last_step(&store, run.run_id)?.map_or(run.steps, |step| step.step);
            }
            store.write(|transaction| left.iter().try_for_each(|run| put_run(transaction, run)))?;
        }
        Ok(Self { options, registry, store, statistics, active: Arc::default() })
    }

    pub(crate) async fn train(&self, request: TrainRequest) -> Result<TrainingRun> {
        check_name("name", &request.name)?;
        let model = self.registry.entry(request.base_model.as_deref())?;
        let threads = self.options.training_threads.unwrap_or_else(cores);
        let prepared = blocking(move || prepare(&model, request, threads)).await?;
        self.start(prepared)
    }

    pub(crate) fn cancel(&self, run_id: u64) -> Result<()> {
        if let Some(run) = self.active.lock().by_id.get(&run_id) {
            run.cancel.store(true, Ordering::Release);
            return Ok(());
        }
        let runs = all_runs(&self.store)?;
        match runs.into_iter().find(|run| run.run_id == run_id) {
            Some(run) => Err(Error::argument("run_id", run_id, format!("it is {} already", run.status))),
            None => Err(unknown_run(run_id)),
        }
    }

    pub(crate) fn rows(&self) -> Result<Vec<TrainingRunRow>> {
        let mut runs = all_runs(&self.store)?;
        let active = self.active.lock();
        for run in &mut runs {
            let is_running = run.status == RunStatus::Running;
            if let Some(active) = active.by_id.get(&run.run_id).filter(|_| is_running) {
                run.steps = active.steps_done.load(Ordering::Relaxed);
            }
        }
        Ok(runs)
    }

    pub(crate) fn steps(&self, run_id: Option<u64>) -> Result<Vec<TrainingStepRow>> {
        read_steps(&self.store, run_id)
    }

    pub(crate) async fn checkpoint(&self, name: &str) -> Result<CheckpointRow> {
        let reference = parse_one(name)?;
        match self.request_checkpoint(&reference.name) {
            Some(answer) => answer.await.unwrap_or(Err(Error::Cancelled)),
            None => take_of_version(&self.store, &reference),
        }
    }

    /// The run that is training an adapter now.
    pub(crate) fn run_of(&self, adapter: &str) -> Option<u64> {
        self.active.lock().run_of(adapter)
    }

    /// Asks the run that is training an adapter for a checkpoint; `None` when none does.
    fn request_checkpoint(&self, adapter: &str) -> Option<oneshot::Receiver<Result<CheckpointRow>>> {
        let active = self.active.lock();
        let run = active.by_id.values().find(|run| run.adapter == adapter)?;
        let (request, answer) = oneshot::channel();
        run.checkpoint_requests.send(request).ok()?;
        Some(answer)
    }

    /// Cancels every run, waits for their threads and lets no other begin.
    pub(crate) fn close(&self) {
        let threads: Vec<JoinHandle<()>> = {
            let mut active = self.active.lock();
            active.closed = true;
            active.by_id.values().for_each(|run| run.cancel.store(true, Ordering::Release));
            active.by_id.values_mut().filter_map(|run| run.thread.take()).collect()
        };
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a training thread panicked");
            }
        }
    }

    fn start(&self, prepared: Prepared) -> Result<TrainingRun> {
        let Prepared { mut record, base_hash, trainer, validation } = prepared;
        // The lock is held until the run is listed, so that an adapter never has two.
        let mut active = self.active.lock();
        if active.closed {
            return Err(Error::Cancelled);
        }
        if let Some(run_id) = active.run_of(&record.adapter) {
            let reason =
                format!("training run {run_id} is making its next version; wait for it or cancel it");
            return Err(Error::InUse { kind: "adapter", name: record.adapter, reason });
        }
        self.store.write(|transaction| {
            record.run_id = next_number(transaction, "run")?;
            put_run(transaction, &record)
        })?;
        let run_id = record.run_id;
        let (events, receiver) = mpsc::unbounded_channel();
        let (checkpoint_requests, requests) = channel();
        let cancel = Arc::new(AtomicBool::new(false));
        let steps_done = Arc::new(AtomicU64::new(0));
        let run = Run {
            record,
            base_hash,
            trainer,
            validation,
            store: self.store.clone(),
            statistics: Arc::clone(&self.statistics),
            events,
            cancel: Arc::clone(&cancel),
            steps_done: Arc::clone(&steps_done),
            checkpoint_requests: requests,
            checkpoint_interval: self.options.checkpoint_interval,
        };
        let adapter = run.record.adapter.clone();
        let listed = Arc::clone(&self.active);
        let thread = thread::Builder::new()
            .name(format!("train-{run_id}"))
            .spawn(move || {
                let last = run.work();
                listed.lock().by_id.remove(&run_id);
                last.send();
            })
            .map_err(|error| Error::Resource(format!("cannot start a training thread: {error}")))?;
        let entry = ActiveRun {
            adapter,
            cancel: Arc::clone(&cancel),
            steps_done,
            checkpoint_requests,
            thread: Some(thread),
        };
        active.by_id.insert(run_id, entry);
        self.statistics.training_runs.add(1);
        Ok(TrainingRun { run_id, events: receiver, cancel })
    }
}

impl ActiveRuns {
    fn run_of(&self, adapter: &str) -> Option<u64> {
        self.by_id.iter().find(|(_, run)| run.adapter == adapter).map(|(run_id, _)| *run_id)
    }
}

/// A run whose data and parameters were accepted.
struct Prepared {
    record: TrainingRunRow,
    base_hash: ContentHash,
    trainer: LoraTrainer,
    validation: Vec<Example>,
}

fn prepare(model: &ModelEntry, request: TrainRequest, threads: usize) -> Result<Prepared> {
    let files = model.files()?;
    let config = files.config();
    let hyperparameters = Hyperparameters::try_new(&request, config.parameters(), model.context_length()?)?;
    let options = hyperparameters.options(threads)?;
    options.validate()?;
    let TrainRequest { name, pairs, validation, skipped, data_query, .. } = request;
    if pairs.is_empty() {
        let reason = match skipped {
            0 => "it returned no rows".to_owned(),
            skipped => format!("all of its {skipped} rows have NULL for prompt or completion"),
        };
        return Err(Error::argument("training_data_query", "result", reason));
    }
    let training = examples(&files, &pairs, hyperparameters.max_seq_len, "training_data_query")?;
    let validation = examples(&files, &validation, hyperparameters.max_seq_len, "validation_data_query")?;
    let count = training.len() as u64;
    let base = BaseWeights::from_tensors(files.tensors())?;
    let trainer = LoraTrainer::try_new(base, hyperparameters.lora(), options, training)?;
    let record = TrainingRunRow {
        run_id: 0,
        adapter: name,
        base_model: model.name.clone(),
        base_hash: files.content_hash().to_string(),
        status: RunStatus::Running,
        started_at: now_micros(),
        finished_at: None,
        data_query,
        dataset_hash: dataset_hash(&pairs),
        hyperparameters: String::from_utf8_lossy(&to_json(&hyperparameters)?).into_owned(),
        examples: count,
        skipped,
        steps: 0,
        total_steps: trainer.total_steps() as u64,
        train_loss: None,
        val_loss: None,
        version: None,
        error: None,
    };
    Ok(Prepared { record, base_hash: files.content_hash(), trainer, validation })
}
