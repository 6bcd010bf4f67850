//! Adapters in the grid store: versions with what they came from, read and published as a whole.
//!
//! Matrices lie under adapter / version / layer / module / `A` or `B`. What is known of a version is metadata of
//! the same store under `version/<adapter>/<version>`, so both appear in one commit or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyprstream_models::{ContentHash, LoraMatrix, LoraWeights, Module};
use hyprstream_storage::{
    DataType, Durability, GridStore, MatrixPath, Shape, Snapshot, VersionInfo, WriteTransaction,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapter_name::{AdapterReference, parse_stack};
use crate::errors::{Error, Result};
use crate::nearest::nearest;

/// What is known of a published version beside its matrices.
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
    pub(crate) fn of(weights: &LoraWeights, base_model: &str, created_at: i64) -> Self {
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

/// A version that a request answers with, and how strongly.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedAdapter {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) scale: f32,
    pub(crate) record: VersionRecord,
}

impl ResolvedAdapter {
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The label of a stack as tables show it: every version named, every scale but 1.
pub(crate) fn stack_label(stack: &[ResolvedAdapter]) -> Option<String> {
    let part = |adapter: &ResolvedAdapter| {
        if adapter.scale.to_bits() == 1.0_f32.to_bits() {
            adapter.label()
        } else {
            format!("{}:{}", adapter.label(), adapter.scale)
        }
    };
    (!stack.is_empty()).then(|| stack.iter().map(part).collect::<Vec<_>>().join("+"))
}

/// The adapters of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct AdapterStore {
    grid: Arc<GridStore>,
}

impl AdapterStore {
    pub(crate) fn new(grid: Arc<GridStore>) -> Self {
        Self { grid }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.grid.snapshot()
    }

    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.grid.sync()?)
    }

    /// Runs one write and makes it durable, or leaves no trace of it.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>) -> Result<T> {
        let mut transaction = self.grid.begin_write()?;
        let result = change(&mut transaction)?;
        transaction.commit(Durability::Immediate)?;
        Ok(result)
    }

    /// The versions that a stack means now, all trained on `base`.
    pub(crate) fn resolve_stack(&self, text: &str, base: &ContentHash) -> Result<Vec<ResolvedAdapter>> {
        let snapshot = self.snapshot();
        let resolve = |reference: AdapterReference| {
            let adapter = resolve(&snapshot, &reference)?;
            if adapter.record.base_hash != *base {
                return Err(Error::BaseMismatch {
                    adapter: adapter.label(),
                    expected: adapter.record.base_hash.to_string(),
                    found: base.to_string(),
                });
            }
            Ok(adapter)
        };
        parse_stack(text)?.into_iter().map(resolve).collect()
    }

    /// The store itself, for what is not a read of a snapshot or one write.
    pub(crate) fn grid(&self) -> &GridStore {
        &self.grid
    }
}

/// The version that a reference means in a snapshot.
pub(crate) fn resolve(snapshot: &Snapshot, reference: &AdapterReference) -> Result<ResolvedAdapter> {
    let published: Vec<VersionInfo> =
        snapshot.versions(&reference.name)?.into_iter().filter(|version| version.published).collect();
    let Some(latest) = published.last() else {
        let known = published_adapters(snapshot)?;
        return Err(Error::UnknownAdapter {
            name: reference.label(),
            nearest: nearest(&reference.name, known.iter().map(String::as_str)),
        });
    };
    let version = match &reference.selector {
        None => latest,
        Some(selector) => published
            .iter()
            .find(|version| version.version == *selector || version.tags.contains(selector))
            .ok_or_else(|| unknown_version(reference, selector, &published))?,
    };
    let record = version_record(snapshot, &reference.name, &version.version)?;
    Ok(ResolvedAdapter {
        name: reference.name.clone(),
        version: version.version.clone(),
        scale: reference.scale,
        record,
    })
}

fn unknown_version(reference: &AdapterReference, selector: &str, published: &[VersionInfo]) -> Error {
    let names = published.iter().flat_map(|version| std::iter::once(&version.version).chain(&version.tags));
    let found = nearest(selector, names.map(String::as_str))
        .or_else(|| published.last().map(|version| version.version.clone()));
    Error::UnknownAdapter {
        name: reference.label(),
        nearest: found.map(|version| format!("{}@{version}", reference.name)),
    }
}

/// Adapters that have a published version.
pub(crate) fn published_adapters(snapshot: &Snapshot) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in snapshot.adapters()? {
        if snapshot.versions(&name)?.iter().any(|version| version.published) {
            names.push(name);
        }
    }
    Ok(names)
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

/// Stores weights as a draft.
pub(crate) fn put_weights(
    transaction: &mut WriteTransaction<'_>,
    adapter: &str,
    version: &str,
    weights: &LoraWeights,
) -> Result<()> {
    for LoraMatrix { layer, module, a, b } in &weights.layers {
        for (matrix, values, rows) in [("A", a, weights.rank), ("B", b, b.len() / weights.rank.max(1))] {
            let path = MatrixPath::new(adapter, version, *layer as u32, module.to_string(), matrix);
            let shape = Shape::new(rows, values.len() / rows.max(1));
            transaction.put_matrix(&path, shape, DataType::F32, values)?;
        }
    }
    Ok(())
}

/// Reads the weights of a version, published or not.
pub(crate) fn read_weights(
    snapshot: &Snapshot,
    adapter: &str,
    version: &str,
    record: &VersionRecord,
) -> Result<LoraWeights> {
    let mut layers: Vec<LoraMatrix> = Vec::new();
    for info in snapshot.matrices(adapter, version)? {
        let mut values = vec![0.0; info.shape.elements()?];
        snapshot.read_matrix(&info.path, &mut values)?;
        let (layer, module) = (info.path.layer as usize, info.path.module.parse::<Module>()?);
        if layers.last().is_none_or(|last| last.layer != layer || last.module != module) {
            layers.push(LoraMatrix { layer, module, a: Vec::new(), b: Vec::new() });
        }
        if let Some(last) = layers.last_mut() {
            *(if info.path.matrix == "A" { &mut last.a } else { &mut last.b }) = values;
        }
    }
    Ok(LoraWeights { base: record.base_hash, rank: record.rank as usize, alpha: record.alpha, layers })
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
    hex(&hash.finalize())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::Internal(format!("a record cannot be written as JSON: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Corrupt(format!("{what} cannot be read: {error}")))
}

/// The next number of a counter that is kept in the store; the first is 1.
pub(crate) fn next_number(transaction: &mut WriteTransaction<'_>, counter: &str) -> Result<u64> {
    let key = format!("counter/{counter}").into_bytes();
    let last =
        transaction.metadata(&key)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    transaction.put_metadata(&key, &(last + 1).to_le_bytes())?;
    Ok(last + 1)
}
