//! The record of a version: what it is and what it came from.

use std::collections::BTreeSet;

use hyprstream_models::{ContentHash, LoraMatrix, LoraWeights, Module};
use hyprstream_storage::{Snapshot, WriteTransaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::json::{from_json, to_json};

/// What a version is and what it came from; [`crate::AdapterRow`] says what each field means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) base_model: String,
    pub(crate) base_hash: ContentHash,
    pub(crate) hash: String,
    pub(crate) rank: u32,
    pub(crate) alpha: f32,
    pub(crate) target_modules: Vec<String>,
    pub(crate) parameters: u64,
    pub(crate) created_at: i64,
    pub(crate) run_id: Option<u64>,
    pub(crate) parent: Option<String>,
    pub(crate) data_query: Option<String>,
    pub(crate) dataset_hash: Option<String>,
    pub(crate) hyperparameters: Option<String>,
    pub(crate) train_loss: Option<f32>,
    pub(crate) val_loss: Option<f32>,
}

impl VersionRecord {
    /// The record of freshly made weights, without what a training run adds.
    pub(crate) fn new(weights: &LoraWeights, base_model: &str, created_at: i64) -> Self {
        let modules: BTreeSet<Module> = weights.layers.iter().map(|matrix| matrix.module).collect();
        Self {
            base_model: base_model.to_owned(),
            base_hash: weights.base,
            hash: content_hash(weights),
            rank: weights.rank as u32,
            alpha: weights.alpha,
            target_modules: modules.into_iter().map(|module| module.to_string()).collect(),
            parameters: weights.layers.iter().map(|matrix| (matrix.a.len() + matrix.b.len()) as u64).sum(),
            created_at,
            run_id: None,
            parent: None,
            data_query: None,
            dataset_hash: None,
            hyperparameters: None,
            train_loss: None,
            val_loss: None,
        }
    }
}

/// Names weights by what they compute: base, scale and every value, in order of layer and module.
pub(crate) fn content_hash(weights: &LoraWeights) -> String {
    let mut hash = Sha256::new();
    hash.update(weights.base.as_bytes());
    hash.update((weights.rank as u64).to_le_bytes());
    hash.update(weights.alpha.to_le_bytes());
    let mut layers: Vec<&LoraMatrix> = weights.layers.iter().collect();
    layers.sort_by_key(|matrix| (matrix.layer, matrix.module));
    for matrix in layers {
        hash.update((matrix.layer as u64).to_le_bytes());
        hash.update(matrix.module.to_string());
        for value in matrix.a.iter().chain(&matrix.b) {
            hash.update(value.to_le_bytes());
        }
    }
    hex::encode(hash.finalize())
}

pub(crate) fn version_key(adapter: &str, version: &str) -> Vec<u8> {
    format!("version/{adapter}/{version}").into_bytes()
}

pub(crate) fn version_record(snapshot: &Snapshot, adapter: &str, version: &str) -> Result<VersionRecord> {
    match snapshot.metadata(&version_key(adapter, version))? {
        Some(bytes) => from_json(&bytes, "the record of an adapter's version"),
        None => {
            Err(Error::Corrupt(format!("adapter {adapter}@{version} has no record of what it came from")))
        }
    }
}

/// The number that a published version is named by.
pub(crate) fn version_number(version: &str) -> Result<u64> {
    version
        .parse()
        .map_err(|_| Error::Corrupt(format!("a version is named \"{version}\", which is no number")))
}

/// Makes a draft a version that answers.
pub(crate) fn publish(
    transaction: &mut WriteTransaction<'_>,
    adapter: &str,
    version: &str,
    record: &VersionRecord,
) -> Result<()> {
    transaction.put_metadata(&version_key(adapter, version), &to_json(record)?)?;
    transaction.publish_version(adapter, version)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::version_number;
    use crate::error::Error;

    #[test]
    fn a_version_that_is_no_number_is_damage() {
        assert_eq!(version_number("12").unwrap(), 12);
        assert!(matches!(version_number("draft"), Err(Error::Corrupt(_))));
    }
}
