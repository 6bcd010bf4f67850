//! What is kept of runs: the run, and its steps.
//!
//! The run's end is committed together with the version that it publishes. Steps come many a second and nothing has to
//! appear with them, so a write of them need not be durable when it returns.

use hyprstream_storage::WriteTransaction;

use crate::adapters::store::{AdapterStore, left_out};
use crate::error::{Error, Result};
use crate::json::{from_json, to_json};
use crate::training::rows::{TrainingRunRow, TrainingStepRow};

const PREFIX: &str = "run/";

pub(super) fn put_run(transaction: &mut WriteTransaction<'_>, run: &TrainingRunRow) -> Result<()> {
    Ok(transaction.put_metadata(format!("{PREFIX}{:016x}", run.run_id).as_bytes(), &to_json(run)?)?)
}

/// All runs by number, without those whose records are damaged, which the log names.
pub(super) fn all_runs(store: &AdapterStore) -> Result<Vec<TrainingRunRow>> {
    let mut runs = Vec::new();
    for (key, bytes) in store.readable_records(PREFIX)? {
        match from_json(&bytes, "the record of a training run") {
            Ok(run) => runs.push(run),
            Err(error) => left_out(&key, &error),
        }
    }
    Ok(runs)
}

/// Appends steps: visible at once, durable a moment later, at the latest with the end of the run.
pub(super) fn put_steps(store: &AdapterStore, steps: &[TrainingStepRow]) -> Result<()> {
    match steps.first() {
        Some(first) => {
            let key = format!("{}{:016x}", steps_prefix(Some(first.run_id)), first.step);
            let bytes = to_json(&steps)?;
            store.write_eventually(|transaction| Ok(transaction.put_metadata(key.as_bytes(), &bytes)?))
        }
        None => Ok(()),
    }
}

/// The steps of a run, or of all, in order, without those whose records are damaged, which the log names.
pub(super) fn read_steps(store: &AdapterStore, run_id: Option<u64>) -> Result<Vec<TrainingStepRow>> {
    let mut steps = Vec::new();
    for (key, block) in store.readable_records(&steps_prefix(run_id))? {
        match from_json::<Vec<TrainingStepRow>>(&block, "the steps of a training run") {
            Ok(block) => steps.extend(block),
            Err(error) => left_out(&key, &error),
        }
    }
    Ok(steps)
}

/// The last step that is kept of a run.
pub(super) fn last_step(store: &AdapterStore, run_id: u64) -> Result<Option<TrainingStepRow>> {
    Ok(read_steps(store, Some(run_id))?.pop())
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
