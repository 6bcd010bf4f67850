//! Salvage: a new data directory with whatever is whole of a damaged one.
//!
//! A version that has lost a part would answer wrongly without an error, so the whole of it is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_storage::{
    Catalog, DirectoryLock, GridOptions, GridStore, Held, Snapshot, VersionInfo, salvage_trajectories,
};

use crate::adapters::checkpoints::{all_checkpoints, forget_checkpoint};
use crate::adapters::matrices::read_weights;
use crate::adapters::record::{content_hash, version_key, version_record};
use crate::adapters::store::AdapterStore;
use crate::data_dir::{CATALOG, FILES, GRID, GRID_FILE, LOCK_FILE, MODELS, TABLES, TRAJECTORIES};
use crate::error::{Error, Result};
use crate::upkeep::damage::{DamageRow, damaged_answers, damaged_file, damaged_weights};

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

/// Makes the data directory `into`, which must not exist, with everything of `data_dir` that is whole. Weights and
/// recorded answers are checked; the files of models and tables are copied as they are. `data_dir` must not be
/// open in any process; it is not changed.
pub fn salvage(data_dir: &Path, into: &Path) -> Result<SalvagedStore> {
    let exists = |path: &Path| path.try_exists().map_err(Error::io("look for", path));
    if exists(into)? {
        return Err(Error::AlreadyExists { kind: "directory", name: into.display().to_string() });
    }
    if !exists(&data_dir.join(GRID))? {
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

/// Refuses a directory inside the one that is copied.
fn expect_apart(data_dir: &Path, into: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(Error::io("open", path));
    if real(into)?.starts_with(real(data_dir)?) {
        let reason = format!("{} is inside {}", into.display(), data_dir.display());
        return Err(Error::Refused(reason));
    }
    Ok(())
}

fn salvage_parts(data_dir: &Path, into: &Path) -> Result<SalvagedStore> {
    let mut salvaged = SalvagedStore::default();
    let grid = hyprstream_storage::salvage(&data_dir.join(GRID), &into.join(GRID))?;
    salvaged.lost.extend(grid.left_out.into_iter().map(damaged_weights));
    keep_whole_versions(&into.join(GRID), &grid.incomplete, &mut salvaged)?;
    let trajectories = data_dir.join(TRAJECTORIES);
    if trajectories.is_dir() {
        let answers = salvage_trajectories(&trajectories, &into.join(TRAJECTORIES))?;
        salvaged.records = answers.records;
        let damages = answers.damages.into_iter();
        salvaged.lost.extend(damages.map(|damage| damaged_answers(damage, data_dir)));
    }
    for part in [MODELS, TABLES, FILES, CATALOG] {
        copy_tree(data_dir, into, Path::new(part), &mut salvaged.lost)?;
    }
    check_catalog(&into.join(CATALOG), &mut salvaged.lost)?;
    Ok(salvaged)
}

/// Drops the versions and checkpoints that have lost a part.
fn keep_whole_versions(grid: &Path, incomplete: &[Held], salvaged: &mut SalvagedStore) -> Result<()> {
    let store = GridStore::open(grid, &GridOptions::default())?;
    let store = AdapterStore::new(Arc::new(store));
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
    })?;
    store.sync()
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

/// Copies a part of a data directory into another. A file that cannot be read is noted as lost.
fn copy_tree(data_dir: &Path, into: &Path, part: &Path, lost: &mut Vec<DamageRow>) -> Result<()> {
    let (from, to) = (data_dir.join(part), into.join(part));
    let Ok(metadata) = fs::symlink_metadata(&from) else {
        return Ok(());
    };
    if metadata.is_symlink() {
        let target = from.canonicalize().or_else(|_| fs::read_link(&from));
        let target: PathBuf = target.map_err(Error::io("read the link", &from))?;
        return std::os::unix::fs::symlink(target, &to).map_err(Error::io("make the link", &to));
    }
    if metadata.is_file() {
        return match fs::copy(&from, &to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Err(Error::io("write", &to)(error))
            }
            Err(error) => {
                lost.push(damaged_file(part, "a file", error.to_string()));
                fs::remove_file(&to).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(Error::io("remove", &to)(error)),
                })
            }
        };
    }
    if !metadata.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&to).map_err(Error::io("make the directory", &to))?;
    match fs::read_dir(&from) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(Error::io("list", &from))?;
                copy_tree(data_dir, into, &part.join(entry.file_name()), lost)?;
            }
        }
        Err(error) => lost.push(damaged_file(part, "a directory", error.to_string())),
    }
    Ok(())
}

/// Reads the copy of the catalog, and removes it when it is damaged: an empty one opens, a damaged one does not.
fn check_catalog(catalog: &Path, lost: &mut Vec<DamageRow>) -> Result<()> {
    let read = Catalog::open(catalog).and_then(|catalog| catalog.scan_prefix(b"").map(drop));
    if let Err(error) = read {
        let what = "the catalog: settings, definitions of tables, steps of training runs";
        lost.push(damaged_file(Path::new(CATALOG), what, error.to_string()));
        fs::remove_dir_all(catalog).map_err(Error::io("remove", catalog))?;
    }
    Ok(())
}
