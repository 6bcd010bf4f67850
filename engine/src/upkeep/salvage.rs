//! Salvage: a new data directory with whatever is whole of a damaged one.
//!
//! A version that has lost a part would answer wrongly without an error, so the whole of it is left out.

use std::fs;
use std::path::Path;

use hyprstream_storage::{
    DirectoryLock, Error as StorageError, Held, LogPosition, Snapshot, VersionInfo, read_version_1_catalog,
    salvage_trajectories,
};

use crate::adapters::checkpoints::{all_checkpoints, forget_checkpoint};
use crate::adapters::matrices::read_weights;
use crate::adapters::record::{content_hash, version_key, version_record};
use crate::adapters::store::AdapterStore;
use crate::data_dir::files::{is_there, sync_tree};
use crate::data_dir::marker::{MARKER_FILE, Marker, MarkerFile, Unfinished};
use crate::data_dir::{FILES, GRID, GRID_FILE, LOCK_FILE, MODELS, TABLES, TRAJECTORIES, VERSION_1_CATALOG};
use crate::error::{Error, Result};
use crate::recording::log_end::{forget_reached, reached};
use crate::upkeep::copying::{copy_tree, expect_apart};
use crate::upkeep::damage::{DamageRow, damaged_answers, damaged_file, damaged_part, damaged_weights};
use crate::upkeep::opening::{finish, open_grid, put_version, put_version_1_records, says_its_version};

/// What was saved of a damaged data directory, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalvagedStore {
    /// Published versions of adapters, as `name@version`.
    pub versions: Vec<String>,
    /// Recorded answers.
    pub records: u64,
    /// Damaged parts, and versions that are incomplete without them.
    pub lost: Vec<DamageRow>,
}

/// Makes the data directory `into`, which must not exist, with everything of `data_dir` that is whole but the files of
/// tables, whose records are there: only the SQL layer can tell what the rows of one are. Weights, records and recorded
/// answers are checked; the files of models are copied as they are. `data_dir` must not be open in any process; nothing in
/// it is changed but its lock files.
pub fn salvage(data_dir: &Path, into: &Path) -> Result<SalvagedStore> {
    if is_there(into)? {
        return Err(Error::AlreadyExists { kind: "directory", name: into.display().to_string() });
    }
    let mut has_part = false;
    for part in [GRID, TRAJECTORIES, TABLES, VERSION_1_CATALOG, MARKER_FILE] {
        has_part |= is_there(&data_dir.join(part))?;
    }
    if !has_part {
        return Err(Error::Refused(format!("{} is not a data directory", data_dir.display())));
    }
    let _lock = DirectoryLock::acquire(data_dir, LOCK_FILE, "salvage")?;
    fs::create_dir_all(into).map_err(Error::io("make the directory", into))?;
    let salvaged = expect_apart(data_dir, into).and_then(|()| salvage_parts(data_dir, into));
    salvaged.inspect_err(|_| {
        // A copy that stopped midway would look like a complete one.
        let _ = fs::remove_dir_all(into);
    })
}

fn salvage_parts(data_dir: &Path, into: &Path) -> Result<SalvagedStore> {
    Marker::unfinished(Unfinished::Salvage).write(into)?;
    let mut salvaged = SalvagedStore::default();
    let incomplete = salvage_grid(data_dir, into, &mut salvaged)?;
    let store = open_grid(into)?;
    keep_whole_versions(&store, &incomplete, &mut salvaged)?;
    if !says_its_version(&store)? {
        salvage_version_1_catalog(data_dir, into, &store, &mut salvaged)?;
    }
    put_version(&store)?;
    let reached = reached(&store);
    // The new log has other segments.
    store.write(forget_reached)?;
    store.sync()?;
    drop(store);
    salvage_answers(data_dir, into, reached, &mut salvaged)?;
    for part in [MODELS, FILES] {
        expect_directory(data_dir, part, &mut salvaged.lost)?;
        copy_tree(data_dir, into, Path::new(part), &mut salvaged.lost)?;
    }
    expect_directory(data_dir, TABLES, &mut salvaged.lost)?;
    for part in [MODELS, FILES, TABLES, TRAJECTORIES] {
        let path = into.join(part);
        fs::create_dir_all(&path).map_err(Error::io("make the directory", &path))?;
    }
    sync_tree(into)?;
    finish(into)?;
    Ok(salvaged)
}

/// Copies what can be read of the weight store, and returns the versions that lack something.
fn salvage_grid(data_dir: &Path, into: &Path, salvaged: &mut SalvagedStore) -> Result<Vec<Held>> {
    let what = "the weight store: adapters, checkpoints, settings, conversations, records of tables";
    if !is_there(&data_dir.join(GRID_FILE))? {
        salvaged.lost.push(damaged_file(Path::new(GRID_FILE), what, "it is missing".to_owned()));
        return Ok(Vec::new());
    }
    match hyprstream_storage::salvage(&data_dir.join(GRID), &into.join(GRID)) {
        Ok(grid) => {
            salvaged.lost.extend(grid.left_out.into_iter().map(damaged_weights));
            Ok(grid.incomplete)
        }
        Err(error @ (StorageError::Corrupt { .. } | StorageError::Io { .. })) if !error.is_storage_full() => {
            let grid = into.join(GRID);
            fs::remove_dir_all(&grid).map_err(Error::io("remove", &grid))?;
            salvaged.lost.push(damaged_part(Path::new(GRID_FILE), what, error));
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// Copies the catalog of version 1 before it is read, and puts what it has into the new weight store.
fn salvage_version_1_catalog(
    data_dir: &Path,
    into: &Path,
    store: &AdapterStore,
    salvaged: &mut SalvagedStore,
) -> Result<()> {
    let what =
        "the catalog of version 1: settings, conversations, definitions of tables, steps of training runs";
    let part = Path::new(VERSION_1_CATALOG);
    if !data_dir.join(part).is_dir() {
        if Marker::read(data_dir)? == MarkerFile::Missing {
            salvaged.lost.push(damaged_file(part, what, "it is missing".to_owned()));
        }
        return Ok(());
    }
    let copy = into.join(part);
    copy_tree(data_dir, into, part, &mut salvaged.lost)?;
    match read_version_1_catalog(&copy) {
        Ok(records) => put_version_1_records(store, &records)?,
        Err(error) if error.is_storage_full() => return Err(error.into()),
        Err(error) => salvaged.lost.push(damaged_part(part, what, error)),
    }
    fs::remove_dir_all(&copy).map_err(Error::io("remove", &copy))
}

fn salvage_answers(
    data_dir: &Path,
    into: &Path,
    reached: LogPosition,
    salvaged: &mut SalvagedStore,
) -> Result<()> {
    if !expect_directory(data_dir, TRAJECTORIES, &mut salvaged.lost)? {
        return Ok(());
    }
    match salvage_trajectories(&data_dir.join(TRAJECTORIES), &into.join(TRAJECTORIES), reached) {
        Ok(answers) => {
            salvaged.records = answers.records;
            let damages = answers.damages.into_iter();
            salvaged.lost.extend(damages.map(|damage| damaged_answers(damage, data_dir)));
            Ok(())
        }
        Err(error @ (StorageError::Corrupt { .. } | StorageError::Io { .. })) if !error.is_storage_full() => {
            salvaged.lost.push(damaged_part(Path::new(TRAJECTORIES), "recorded answers", error));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a directory is there that every data directory has; one that is missing is noted as lost.
fn expect_directory(data_dir: &Path, part: &str, lost: &mut Vec<DamageRow>) -> Result<bool> {
    let found = is_there(&data_dir.join(part))?;
    if !found {
        lost.push(damaged_file(Path::new(part), "a directory", "it is missing".to_owned()));
    }
    Ok(found)
}

/// Drops the versions and checkpoints that have lost a part.
fn keep_whole_versions(
    store: &AdapterStore,
    incomplete: &[Held],
    salvaged: &mut SalvagedStore,
) -> Result<()> {
    let snapshot = store.snapshot();
    let is_incomplete = |version: &VersionInfo| {
        let same = |held: &Held| {
            held.adapter.as_ref() == Some(&version.adapter) && held.version.as_ref() == Some(&version.version)
        };
        incomplete.iter().any(same)
    };
    let mut dropped = Vec::new();
    for adapter in snapshot.adapters()? {
        for version in snapshot.versions(&adapter)? {
            let reason = if is_incomplete(&version) {
                Some("it is incomplete without what is damaged".to_owned())
            } else {
                defect(&snapshot, &version)
            };
            match reason {
                Some(reason) => {
                    salvaged.lost.push(lost_version(&version, reason));
                    dropped.push(version);
                }
                None if version.published => {
                    salvaged.versions.push(format!("{}@{}", version.adapter, version.version));
                }
                None => {}
            }
        }
    }
    let checkpoints = all_checkpoints(&snapshot)?;
    drop(snapshot);
    store.write(|transaction| {
        for version in &dropped {
            transaction.drop_version(&version.adapter, &version.version)?;
            transaction.remove_metadata(&version_key(&version.adapter, &version.version))?;
        }
        for (id, checkpoint) in checkpoints {
            if !transaction.has_version(&checkpoint.adapter, &checkpoint.version)? {
                forget_checkpoint(transaction, id)?;
            }
        }
        Ok(())
    })
}

/// Why a published version cannot answer as it did; `None` when it can. A draft has no record to hold it against.
fn defect(snapshot: &Snapshot, version: &VersionInfo) -> Option<String> {
    if !version.published {
        return None;
    }
    let checked = version_record(snapshot, &version.adapter, &version.version).and_then(|record| {
        let weights = read_weights(snapshot, &version.adapter, &version.version, &record)?;
        Ok(content_hash(&weights) == record.hash)
    });
    match checked {
        Ok(true) => None,
        Ok(false) => Some("its weights are not those that were published".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

fn lost_version(version: &VersionInfo, reason: String) -> DamageRow {
    let kind = if version.published { "version" } else { "draft" };
    let what = format!("{kind} {}@{}", version.adapter, version.version);
    DamageRow {
        adapter: Some(version.adapter.clone()),
        version: Some(version.version.clone()),
        ..damaged_file(Path::new(GRID_FILE), &what, reason)
    }
}
