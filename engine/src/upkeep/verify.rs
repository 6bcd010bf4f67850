//! Looking at every byte of the weights and the recorded answers.

use std::path::Path;

use hyprstream_storage::{Damage, LogDamage};

use crate::engine::Engine;
use crate::errors::Result;
use crate::runtime::blocking;

/// The weight store's file, seen from the data directory.
const GRID_FILE: &str = "grid/grid.data";

/// A damaged part of the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageRow {
    /// The file, seen from the data directory.
    pub file: String,
    /// Where the damaged part begins in it.
    pub offset: u64,
    /// Its length; `None` when only its place is known.
    pub bytes: Option<u64>,
    /// What it is, in words.
    pub what: String,
    /// The adapter that it held a part of, if it was one's.
    pub adapter: Option<String>,
    /// The version; the first one of several that share it.
    pub version: Option<String>,
    /// The layer.
    pub layer: Option<u32>,
    /// The module.
    pub module: Option<String>,
    /// The matrix.
    pub matrix: Option<String>,
    /// How it is known to be damaged.
    pub reason: String,
}

/// What [`Engine::verify_store`] looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifiedStore {
    /// Pages of the weight store.
    pub pages: u64,
    /// Recorded answers.
    pub records: u64,
    /// Bytes of the weight store that are marked as used and that nothing refers to.
    pub leaked_bytes: u64,
    /// What is damaged.
    pub damages: Vec<DamageRow>,
}

impl Engine {
    /// Reads every page of the weight store and every recorded answer and checks what can be checked of it. Writes to
    /// the weight store wait meanwhile; what answers goes on.
    pub async fn verify_store(&self) -> Result<VerifiedStore> {
        let log = std::sync::Arc::clone(self.recorder.caught_up()?);
        let store = self.adapter_store.clone();
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            let (weights, answers) = (store.grid().verify()?, log.verify()?);
            let mut damages: Vec<DamageRow> = weights.damages.into_iter().map(of_weights).collect();
            damages.extend(answers.damages.into_iter().map(|damage| of_answers(damage, &data_dir)));
            Ok(VerifiedStore {
                pages: weights.objects,
                records: answers.records,
                leaked_bytes: weights.leaked_bytes,
                damages,
            })
        })
        .await
    }
}

/// Damage of the weight store.
pub(crate) fn of_weights(damage: Damage) -> DamageRow {
    DamageRow {
        file: GRID_FILE.to_owned(),
        offset: damage.offset,
        bytes: (damage.bytes > 0).then_some(damage.bytes.into()),
        what: damage.what,
        adapter: damage.held.adapter,
        version: damage.held.version,
        layer: damage.held.layer,
        module: damage.held.module,
        matrix: damage.held.matrix,
        reason: damage.reason,
    }
}

/// Damage of recorded answers.
pub(crate) fn of_answers(damage: LogDamage, data_dir: &Path) -> DamageRow {
    let file = damage.file.strip_prefix(data_dir).unwrap_or(&damage.file);
    DamageRow {
        offset: damage.offset,
        bytes: Some(damage.bytes),
        ..of_file(file, "recorded answers", damage.reason)
    }
}

/// A whole file that is damaged.
pub(crate) fn of_file(file: &Path, what: &str, reason: String) -> DamageRow {
    DamageRow { file: file.display().to_string(), what: what.to_owned(), reason, ..DamageRow::default() }
}
