//! How damage is shown, whichever part of the data directory it was found in.

use std::path::Path;

use hyprstream_storage::{Damage, Error as StorageError, LogDamage};

use crate::data_dir::GRID_FILE;

/// A damaged part of the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageRow {
    /// The file, seen from the data directory.
    pub file: String,
    /// Where the damaged part begins in it.
    pub offset: u64,
    /// Its length; `None` when only its offset is known.
    pub bytes: Option<u64>,
    /// What was stored there, in words.
    pub what: String,
    /// The adapter that it was a part of, if it was part of one.
    pub adapter: Option<String>,
    /// The version; the first one of several that share it.
    pub version: Option<String>,
    /// The layer.
    pub layer: Option<u32>,
    /// The module.
    pub module: Option<String>,
    /// The matrix.
    pub matrix: Option<String>,
    /// How the damage was recognised.
    pub reason: String,
}

/// A damaged part of the weight store.
pub(crate) fn damaged_weights(damage: Damage) -> DamageRow {
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

/// A damaged part of the recorded answers.
pub(crate) fn damaged_answers(damage: LogDamage, data_dir: &Path) -> DamageRow {
    let file = damage.file.strip_prefix(data_dir).unwrap_or(&damage.file);
    DamageRow {
        offset: damage.offset,
        bytes: Some(damage.bytes),
        ..damaged_file(file, "recorded answers", damage.reason)
    }
}

/// A file that is damaged or lost as a whole.
pub(crate) fn damaged_file(file: &Path, what: &str, reason: String) -> DamageRow {
    DamageRow { file: file.display().to_string(), what: what.to_owned(), reason, ..DamageRow::default() }
}

/// A file that an error of the store was about.
pub(crate) fn damaged_part(file: &Path, what: &str, error: StorageError) -> DamageRow {
    match error {
        StorageError::Corrupt { offset, reason, .. } => {
            DamageRow { offset, ..damaged_file(file, what, reason) }
        }
        error => damaged_file(file, what, error.to_string()),
    }
}
