//! A check of every byte of the weights, the recorded answers, the users' tables and the converted models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_models::verify_converted;
use hyprstream_storage::TrajectoryLog;

use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::catalog::tables::TableCatalog;
use crate::data_dir::{CACHE, GRID_FILE, TABLES, TRAJECTORIES};
use crate::error::Result;
use crate::recording::recorder::Recorder;
use crate::upkeep::damage::{DamageRow, damaged_answers, damaged_file, damaged_part, damaged_weights};

/// What [`crate::Engine::verify_store`] looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifiedStore {
    /// Pages of the weight store.
    pub pages: u64,
    /// Recorded answers.
    pub records: u64,
    /// Bytes of the weight store that are marked as used and that nothing refers to.
    pub leaked_bytes: u64,
    /// The damaged parts.
    pub damages: Vec<DamageRow>,
}

/// Checks everything, whatever is damaged: a part that cannot be read at all is one of the damages.
pub(crate) async fn verify(
    store: &AdapterStore,
    recorder: &Recorder,
    tables: &Arc<TableCatalog>,
    data_dir: &Path,
) -> Result<VerifiedStore> {
    let mut verified = VerifiedStore::default();
    if let Err(error) = recorder.caught_up() {
        verified.damages.push(unreadable_log(&error.to_string()));
    }
    let (store, log, tables) = (store.clone(), Arc::clone(recorder.log()), Arc::clone(tables));
    let data_dir: PathBuf = data_dir.to_owned();
    blocking(move || {
        verify_weights(&store, &mut verified);
        verify_answers(&log, &data_dir, &mut verified);
        verify_tables(&tables, &mut verified)?;
        verify_converted_models(&data_dir, &mut verified);
        Ok(verified)
    })
    .await
}

fn verify_weights(store: &AdapterStore, verified: &mut VerifiedStore) {
    match store.grid().verify() {
        Ok(weights) => {
            verified.pages = weights.objects;
            verified.leaked_bytes = weights.leaked_bytes;
            verified.damages.extend(weights.damages.into_iter().map(damaged_weights));
        }
        Err(error) => {
            verified.damages.push(damaged_part(Path::new(GRID_FILE), "the weight store", error));
        }
    }
}

fn verify_answers(log: &TrajectoryLog, data_dir: &Path, verified: &mut VerifiedStore) {
    match log.verify() {
        Ok(answers) => {
            verified.records = answers.records;
            let damages = answers.damages.into_iter();
            verified.damages.extend(damages.map(|damage| damaged_answers(damage, data_dir)));
        }
        Err(error) => verified.damages.push(unreadable_log(&error.to_string())),
    }
}

fn unreadable_log(reason: &str) -> DamageRow {
    damaged_file(Path::new(TRAJECTORIES), "recorded answers", reason.to_owned())
}

/// Reads every part of every table under its checksums.
fn verify_tables(tables: &TableCatalog, verified: &mut VerifiedStore) -> Result<()> {
    // A part that a merge replaces meanwhile is not missing.
    let _hold = tables.parts().hold();
    let weights_are_whole = verified.damages.iter().all(|damage| damage.file != GRID_FILE);
    for name in tables.names()? {
        let entry = match tables.table(&name) {
            Ok(entry) => entry,
            // What is damaged in the weight store was named with it.
            Err(error) if weights_are_whole => {
                let what = format!("the records of table {name}");
                verified.damages.push(damaged_file(Path::new(GRID_FILE), &what, error.to_string()));
                continue;
            }
            Err(_) => continue,
        };
        for part in entry.into_iter().flat_map(|entry| entry.parts) {
            let checked = tables.parts().reader(&part.record).and_then(|reader| reader.verify());
            if let Err(error) = checked {
                let file = Path::new(TABLES).join(&part.record.name);
                verified.damages.push(damaged_part(&file, &format!("rows of table {name}"), error));
            }
        }
    }
    Ok(())
}

fn verify_converted_models(data_dir: &Path, verified: &mut VerifiedStore) {
    for (path, reason) in verify_converted(&data_dir.join(CACHE)) {
        let file = path.strip_prefix(data_dir).unwrap_or(&path);
        verified.damages.push(damaged_file(
            file,
            "a converted model, which is made again when it is needed",
            reason,
        ));
    }
}
