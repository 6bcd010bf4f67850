//! One run on its own thread: steps, checkpoints, and the version it publishes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use hyprstream_learning::{Example, LoraTrainer, StepReport};
use hyprstream_models::{ContentHash, LoraWeights};
use tokio::sync::{mpsc, oneshot};

use crate::adapters::checkpoints::{
    CheckpointRecord, CheckpointRow, checkpoints_of, forget_checkpoint, new_checkpoint, put_checkpoint,
};
use crate::adapters::matrices::put_weights;
use crate::adapters::record::{VersionRecord, publish};
use crate::adapters::store::AdapterStore;
use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::statistics::Statistics;
use crate::training::events::TrainingEvent;
use crate::training::records::{put_run, put_steps};
use crate::training::rows::{RunStatus, TrainingRunRow, TrainingStepRow};

const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Checkpoints kept of one run.
const KEPT_CHECKPOINTS: usize = 2;

pub(super) type CheckpointRequest = oneshot::Sender<Result<CheckpointRow>>;

/// Everything a run's thread owns.
pub(super) struct Run {
    pub(super) record: TrainingRunRow,
    pub(super) base_hash: ContentHash,
    pub(super) trainer: LoraTrainer,
    pub(super) validation: Vec<Example>,
    pub(super) store: AdapterStore,
    pub(super) statistics: Arc<Statistics>,
    pub(super) events: mpsc::UnboundedSender<Result<TrainingEvent>>,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) steps_done: Arc<AtomicU64>,
    pub(super) checkpoint_requests: Receiver<CheckpointRequest>,
    pub(super) checkpoint_interval: Duration,
}

impl Run {
    /// Trains to the end and records how it ended. What it returns is the run's last event, to be sent once the
    /// run is no longer listed: whoever reads it may start the next run of the same adapter.
    pub(super) fn work(mut self) -> LastEvent {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.train()))
            .unwrap_or_else(|_| Err(Error::Internal("training panicked".to_owned())));
        let event = outcome.and_then(|()| self.publish());
        if let Err(error) = &event {
            let is_cancelled = matches!(error, Error::Cancelled);
            self.record.status = if is_cancelled { RunStatus::Cancelled } else { RunStatus::Failed };
            self.record.error = (!is_cancelled).then(|| error.to_string());
            self.record.finished_at = Some(now_micros());
            self.record_end();
        }
        LastEvent { events: self.events, event }
    }

    fn record_end(&self) {
        if let Err(error) = self.store.write(|transaction| put_run(transaction, &self.record)) {
            tracing::error!(%error, run_id = self.record.run_id, "the end of a training run could not be recorded");
        }
    }

    fn train(&mut self) -> Result<()> {
        self.send(Ok(TrainingEvent::Started {
            run_id: self.record.run_id,
            total_steps: self.record.total_steps,
            examples: self.record.examples,
            skipped: self.record.skipped,
        }));
        let began = Instant::now();
        let mut progress = Progress::new(began);
        let mut unsaved = Vec::new();
        let mut last_checkpoint = began;
        while !self.trainer.is_finished() {
            let step = self.step(&mut progress);
            if let Ok(row) = &step {
                unsaved.push(row.clone());
            }
            let is_due = progress.last_report.elapsed() >= REPORT_INTERVAL || self.trainer.is_finished();
            if is_due || step.is_err() {
                put_steps(&self.store, &std::mem::take(&mut unsaved))?;
                progress.last_report = Instant::now();
            }
            let row = step?;
            self.send(Ok(TrainingEvent::Step(row.clone())));
            if is_due {
                self.send(Ok(TrainingEvent::Progress(progress.sentence(&row, self.record.total_steps))));
            }
            while let Ok(request) = self.checkpoint_requests.try_recv() {
                // An error means that the caller has gone away.
                let _ = request.send(self.checkpoint(&row));
            }
            if last_checkpoint.elapsed() >= self.checkpoint_interval && !self.trainer.is_finished() {
                self.checkpoint(&row)?;
                last_checkpoint = Instant::now();
            }
        }
        Ok(())
    }

    fn step(&mut self, progress: &mut Progress) -> Result<TrainingStepRow> {
        let StepReport { step, epoch, loss, learning_rate, grad_norm, tokens, target_tokens } =
            self.trainer.step(&self.cancel)?;
        progress.add(epoch, loss, tokens, target_tokens);
        self.record.steps = step as u64;
        self.record.train_loss = progress.epoch_loss();
        self.steps_done.store(step as u64, Ordering::Relaxed);
        self.statistics.training_steps.add(1);
        self.statistics.trained_tokens.add(tokens as u64);
        let ends_epoch = epoch.fract() < f32::EPSILON * epoch || self.trainer.is_finished();
        let mut val_loss = None;
        if ends_epoch && !self.validation.is_empty() {
            val_loss = Some(self.trainer.evaluate(&self.validation, &self.cancel)?);
            self.record.val_loss = val_loss;
        }
        let elapsed = progress.began.elapsed().as_secs_f64();
        Ok(TrainingStepRow {
            run_id: self.record.run_id,
            step: step as u64,
            epoch,
            loss,
            val_loss,
            learning_rate,
            grad_norm,
            tokens_per_s: (progress.tokens as f64 / elapsed.max(1e-9)) as f32,
            elapsed_ms: elapsed * 1e3,
        })
    }

    /// What the weights are recorded with, as they stand.
    fn version_record(&self, weights: &LoraWeights) -> VersionRecord {
        VersionRecord {
            run_id: Some(self.record.run_id),
            data_query: Some(self.record.data_query.clone()),
            dataset_hash: Some(self.record.dataset_hash.clone()),
            hyperparameters: Some(self.record.hyperparameters.clone()),
            train_loss: self.record.train_loss,
            val_loss: self.record.val_loss,
            ..VersionRecord::new(weights, &self.record.base_model, now_micros())
        }
    }

    fn checkpoint(&self, row: &TrainingStepRow) -> Result<CheckpointRow> {
        let weights = self.trainer.weights(self.base_hash);
        let state = self.trainer.state();
        let adapter = &self.record.adapter;
        let mut earlier = checkpoints_of(&self.store.snapshot(), adapter)?;
        earlier.retain(|(_, checkpoint)| {
            checkpoint.has_optimizer && checkpoint.record.run_id == Some(row.run_id)
        });
        let surplus = (earlier.len() + 1).saturating_sub(KEPT_CHECKPOINTS);
        self.store.write(|transaction| {
            let (id, draft) = new_checkpoint(transaction)?;
            put_weights(transaction, adapter, &draft, &weights)?;
            let record = CheckpointRecord {
                adapter: adapter.clone(),
                version: draft,
                step: row.step,
                loss: Some(row.loss),
                has_optimizer: true,
                created_at: now_micros(),
                record: self.version_record(&weights),
            };
            put_checkpoint(transaction, id, &record, Some(&state))?;
            for (id, checkpoint) in &earlier[..surplus] {
                transaction.drop_version(adapter, &checkpoint.version)?;
                forget_checkpoint(transaction, *id)?;
            }
            put_run(transaction, &self.record)?;
            Ok(record.row(id))
        })
    }

    /// The version and the run's result appear in one commit, which makes the steps durable too.
    fn publish(&mut self) -> Result<TrainingEvent> {
        if self.cancel.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        let weights = self.trainer.weights(self.base_hash);
        let version_record = self.version_record(&weights);
        let mut record = self.record.clone();
        let version = self.store.write(|transaction| {
            let version = transaction.next_version_number(&record.adapter)?;
            let name = version.to_string();
            put_weights(transaction, &record.adapter, &name, &weights)?;
            publish(transaction, &record.adapter, &name, &version_record)?;
            record.status = RunStatus::Completed;
            record.version = Some(version);
            record.finished_at = Some(now_micros());
            put_run(transaction, &record)?;
            Ok(version)
        })?;
        self.record = record;
        Ok(TrainingEvent::Published { name: self.record.adapter.clone(), version })
    }

    fn send(&self, event: Result<TrainingEvent>) {
        // An error means that the caller dropped the run, which cancels it.
        let _ = self.events.send(event);
    }
}

/// What a run's stream ends with.
pub(super) struct LastEvent {
    events: mpsc::UnboundedSender<Result<TrainingEvent>>,
    event: Result<TrainingEvent>,
}

impl LastEvent {
    pub(super) fn send(self) {
        // An error means that the caller has dropped the run.
        let _ = self.events.send(self.event);
    }
}

/// Sums over the run so far and over its present epoch.
struct Progress {
    began: Instant,
    last_report: Instant,
    tokens: u64,
    epoch: u32,
    epoch_loss: f64,
    epoch_targets: f64,
}

impl Progress {
    fn new(began: Instant) -> Self {
        Self { began, last_report: began, tokens: 0, epoch: 0, epoch_loss: 0.0, epoch_targets: 0.0 }
    }

    fn add(&mut self, epoch: f32, loss: f32, tokens: usize, targets: usize) {
        self.tokens += tokens as u64;
        // `epoch` counts finished passes, so the step belongs to the pass that it ends in.
        let present = epoch.ceil() as u32;
        if present != self.epoch {
            (self.epoch, self.epoch_loss, self.epoch_targets) = (present, 0.0, 0.0);
        }
        self.epoch_loss += f64::from(loss) * targets as f64;
        self.epoch_targets += targets as f64;
    }

    fn epoch_loss(&self) -> Option<f32> {
        (self.epoch_targets > 0.0).then(|| (self.epoch_loss / self.epoch_targets) as f32)
    }

    fn sentence(&self, row: &TrainingStepRow, total_steps: u64) -> String {
        let per_step = self.began.elapsed().as_secs_f64() / row.step.max(1) as f64;
        let left = per_step * total_steps.saturating_sub(row.step) as f64;
        let left = if left >= 90.0 { format!("{:.0} min", left / 60.0) } else { format!("{left:.0} s") };
        format!("step {} of {total_steps}, loss {:.4}, about {left} left", row.step, row.loss)
    }
}
