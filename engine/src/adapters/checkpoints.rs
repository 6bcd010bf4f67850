//! Checkpoints: a run's weights with its optimiser state, kept as drafts of the adapter.
//!
//! A checkpoint is metadata `checkpoint/<id>`, a draft `checkpoint-<id>` with the matrices, and, when it was
//! taken of a running run, the optimiser's state under `optimizer/<id>`; all in one commit.

use hyprstream_storage::{Snapshot, VersionPath, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::adapters::name::AdapterReference;
use crate::adapters::record::VersionRecord;
use crate::adapters::resolve::resolve;
use crate::adapters::store::{AdapterStore, next_number};
use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::json::{from_json, to_json};

const PREFIX: &str = "checkpoint/";

/// A training run's weights with its optimiser state, kept while the run goes on and after.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointRow {
    /// Identifies it for `restore_adapter`.
    pub id: u64,
    /// The run it belongs to.
    pub run_id: Option<u64>,
    /// The adapter that is trained.
    pub adapter: String,
    /// Step at which it was taken.
    pub step: u64,
    /// Loss at that step.
    pub loss: Option<f32>,
    /// Content hash of the base model.
    pub base_hash: String,
    /// Whether it holds the optimiser's state.
    pub has_optimizer: bool,
    /// When it was taken, in microseconds since the Unix epoch.
    pub created_at: i64,
}

/// A checkpoint without its matrices.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord {
    pub(crate) adapter: String,
    /// The draft that holds the matrices.
    pub(crate) version: String,
    pub(crate) step: u64,
    pub(crate) loss: Option<f32>,
    pub(crate) has_optimizer: bool,
    pub(crate) created_at: i64,
    /// What a version restored from it is recorded with.
    pub(crate) record: VersionRecord,
}

impl CheckpointRecord {
    pub(crate) fn row(&self, id: u64) -> CheckpointRow {
        CheckpointRow {
            id,
            run_id: self.record.run_id,
            adapter: self.adapter.clone(),
            step: self.step,
            loss: self.loss,
            base_hash: self.record.base_hash.to_string(),
            has_optimizer: self.has_optimizer,
            created_at: self.created_at,
        }
    }
}

/// Allocates a checkpoint's id and the name of its draft.
pub(crate) fn new_checkpoint(transaction: &mut WriteTransaction<'_>) -> Result<(u64, String)> {
    let id = next_number(transaction, "checkpoint")?;
    Ok((id, format!("checkpoint-{id}")))
}

pub(crate) fn put_checkpoint(
    transaction: &mut WriteTransaction<'_>,
    id: u64,
    record: &CheckpointRecord,
    optimizer: Option<&[u8]>,
) -> Result<()> {
    transaction.put_metadata(&key(id), &to_json(record)?)?;
    if let Some(state) = optimizer {
        transaction.put_metadata(&optimizer_key(id), state)?;
    }
    Ok(())
}

/// Removes a checkpoint's record and optimiser state; the caller drops its draft.
pub(crate) fn forget_checkpoint(transaction: &mut WriteTransaction<'_>, id: u64) -> Result<()> {
    transaction.remove_metadata(&key(id))?;
    transaction.remove_metadata(&optimizer_key(id))?;
    Ok(())
}

pub(crate) fn checkpoint(snapshot: &Snapshot, id: u64) -> Result<CheckpointRecord> {
    match snapshot.metadata(&key(id))? {
        Some(bytes) => from_json(&bytes, "the record of a checkpoint"),
        None => Err(Error::UnknownObject { kind: "checkpoint", name: id.to_string(), nearest: None }),
    }
}

pub(crate) fn all_checkpoints(snapshot: &Snapshot) -> Result<Vec<(u64, CheckpointRecord)>> {
    let read = |(key, value): (Vec<u8>, Vec<u8>)| {
        let id = std::str::from_utf8(&key)
            .ok()
            .and_then(|key| u64::from_str_radix(key.get(PREFIX.len()..)?, 16).ok());
        let id = id.ok_or_else(|| Error::Corrupt("a checkpoint has no number".to_owned()))?;
        Ok((id, from_json(&value, "the record of a checkpoint")?))
    };
    snapshot.scan_metadata(PREFIX.as_bytes())?.into_iter().map(read).collect()
}

pub(crate) fn checkpoints_of(snapshot: &Snapshot, adapter: &str) -> Result<Vec<(u64, CheckpointRecord)>> {
    let mut checkpoints = all_checkpoints(snapshot)?;
    checkpoints.retain(|(_, record)| record.adapter == adapter);
    Ok(checkpoints)
}

fn key(id: u64) -> Vec<u8> {
    format!("{PREFIX}{id:016x}").into_bytes()
}

fn optimizer_key(id: u64) -> Vec<u8> {
    format!("optimizer/{id:016x}").into_bytes()
}

pub(crate) fn rows(snapshot: &Snapshot) -> Result<Vec<CheckpointRow>> {
    Ok(all_checkpoints(snapshot)?.into_iter().map(|(id, record)| record.row(id)).collect())
}

/// Takes a checkpoint of a published version.
pub(crate) fn take_of_version(store: &AdapterStore, reference: &AdapterReference) -> Result<CheckpointRow> {
    let adapter = resolve(&store.snapshot(), reference)?;
    store.write(|transaction| {
        let (id, draft) = new_checkpoint(transaction)?;
        transaction.branch_version(
            VersionPath::new(&adapter.name, &adapter.version),
            VersionPath::new(&adapter.name, &draft),
        )?;
        let record = CheckpointRecord {
            adapter: adapter.name.clone(),
            version: draft,
            step: 0,
            loss: adapter.record.train_loss,
            has_optimizer: false,
            created_at: now_micros(),
            record: adapter.record.clone(),
        };
        put_checkpoint(transaction, id, &record, None)?;
        Ok(record.row(id))
    })
}
