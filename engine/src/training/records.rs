//! What is kept of runs: the run in the weight store, its steps in the catalog.
//!
//! The run's end is committed together with the version that it publishes, so it is where the weights are. Steps come
//! many a second and nothing has to appear with them, so they go where a write is cheap and durable a little later.

use hyprstream_storage::{Catalog, Snapshot, WriteTransaction};

use crate::error::{Error, Result};
use crate::json::{from_json, to_json};
use crate::training::rows::{TrainingRunRow, TrainingStepRow};

const PREFIX: &str = "run/";

pub(super) fn put_run(transaction: &mut WriteTransaction<'_>, run: &TrainingRunRow) -> Result<()> {
    Ok(transaction.put_metadata(format!("{PREFIX}{:016x}", run.run_id).as_bytes(), &to_json(run)?)?)
}

pub(super) fn all_runs(snapshot: &Snapshot) -> Result<Vec<TrainingRunRow>> {
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
