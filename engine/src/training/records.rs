//! What is kept of runs: the run in the grid store beside the weights, its steps in the catalog.

use hyprstream_models::ContentHash;
use hyprstream_storage::{Catalog, Snapshot, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::adapter_store::{from_json, to_json};
use crate::errors::{Error, Result};
use crate::rows::{RunStatus, TrainingRunRow, TrainingStepRow};

const PREFIX: &str = "run/";

/// What is known of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub(super) run_id: u64,
    pub(super) adapter: String,
    pub(super) base_model: String,
    pub(super) base_hash: ContentHash,
    pub(super) status: RunStatus,
    pub(super) started_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) data_query: String,
    pub(super) dataset_hash: String,
    pub(super) hyperparameters: String,
    pub(super) examples: u64,
    pub(super) skipped: u64,
    pub(super) steps: u64,
    pub(super) total_steps: u64,
    pub(super) train_loss: Option<f32>,
    pub(super) val_loss: Option<f32>,
    pub(super) version: Option<u64>,
    pub(super) error: Option<String>,
}

impl RunRecord {
    pub(super) fn into_row(self) -> TrainingRunRow {
        TrainingRunRow {
            run_id: self.run_id,
            adapter: self.adapter,
            base_model: self.base_model,
            base_hash: self.base_hash.to_string(),
            status: self.status,
            started_at: self.started_at,
            finished_at: self.finished_at,
            data_query: self.data_query,
            dataset_hash: self.dataset_hash,
            hyperparameters: self.hyperparameters,
            examples: self.examples,
            skipped: self.skipped,
            steps: self.steps,
            total_steps: self.total_steps,
            train_loss: self.train_loss,
            val_loss: self.val_loss,
            version: self.version,
            error: self.error,
        }
    }
}

pub(super) fn put_run(transaction: &mut WriteTransaction<'_>, run: &RunRecord) -> Result<()> {
    Ok(transaction.put_metadata(format!("{PREFIX}{:016x}", run.run_id).as_bytes(), &to_json(run)?)?)
}

pub(super) fn all_runs(snapshot: &Snapshot) -> Result<Vec<RunRecord>> {
    let records = snapshot.scan_metadata(PREFIX.as_bytes())?;
    records.iter().map(|(_, bytes)| from_json(bytes, "the record of a training run")).collect()
}

/// Appends steps: visible at once, durable with the catalog's next flush.
pub(super) fn put_steps(catalog: &Catalog, steps: &[TrainingStepRow]) -> Result<()> {
    match steps.first() {
        Some(first) => {
            let key = format!("{}{:016x}", steps_prefix(Some(first.run_id)), first.step);
            Ok(catalog.put(key.as_bytes(), &to_json(&steps)?)?)
        }
        None => Ok(()),
    }
}

pub(super) fn read_steps(catalog: &Catalog, run_id: Option<u64>) -> Result<Vec<TrainingStepRow>> {
    let blocks = catalog.scan_prefix(steps_prefix(run_id).as_bytes())?;
    let mut steps = Vec::new();
    for (_, block) in blocks {
        steps.extend(from_json::<Vec<TrainingStepRow>>(&block, "the steps of a training run")?);
    }
    Ok(steps)
}

/// The last step that is kept of a run.
pub(super) fn last_step(catalog: &Catalog, run_id: u64) -> Result<Option<TrainingStepRow>> {
    Ok(read_steps(catalog, Some(run_id))?.pop())
}

fn steps_prefix(run_id: Option<u64>) -> String {
    match run_id {
        Some(run_id) => format!("steps/{run_id:016x}/"),
        None => "steps/".to_owned(),
    }
}

pub(super) fn unknown_run(run_id: u64) -> Error {
    Error::UnknownObject { kind: "training run", name: run_id.to_string(), nearest: None }
}
