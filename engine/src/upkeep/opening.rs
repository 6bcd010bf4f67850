//! Opening a data directory: making a new one, opening a complete one, and taking over one of version 1.
//!
//! `hyprstream.json` says "complete" last of all, so whatever is cut short is done again. A version-1 directory is taken
//! over by one commit of the weight store, which has all records of the catalog and says which version the directory has
//! from then on; the catalog is set aside after it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hyprstream_storage::{GridOptions, GridStore, read_version_1_catalog};

use crate::adapters::store::AdapterStore;
use crate::catalog::tables::definition_key;
use crate::data_dir::contents::{Contents, other_version, parts_lost};
use crate::data_dir::files::sync_directory;
use crate::data_dir::lost_found;
use crate::data_dir::marker::{Marker, Unfinished, VERSION};
use crate::data_dir::{
    CACHE, FILES, GRID, INDEX, MODELS, TABLES, TRAJECTORIES, VERSION_1_CATALOG, VERSION_1_GUARD,
};
use crate::error::{Error, Result};
use crate::stored_number::stored_number;

/// Where the weight store says which version its directory has.
const VERSION_KEY: &[u8] = b"data_directory/version";
/// Before the name of a table in the catalog of version 1.
const VERSION_1_TABLE: &[u8] = b"table/table/";

/// Opens the weight store of a directory, which is locked, once it is sure that nothing of the directory is missing.
pub(crate) fn open_store(data_dir: &Path, contents: Contents) -> Result<AdapterStore> {
    if contents == Contents::New {
        make_parts(data_dir)?;
    }
    let store = open_grid(data_dir)?;
    match (contents, version(&store)) {
        (_, Ok(Some(VERSION))) => {}
        (_, Ok(Some(version))) => return Err(other_version(data_dir, version)),
        // The version stands in `hyprstream.json` too, and what else is damaged is an error where it is needed.
        (Contents::Complete, Err(error @ Error::Corrupt(_))) => {
            tracing::error!(%error, "the weight store does not say of which version it is");
        }
        (_, Err(error)) => return Err(error),
        (Contents::New, Ok(None)) => put_version(&store)?,
        (Contents::Unmarked, Ok(None)) if data_dir.join(VERSION_1_CATALOG).is_dir() => {
            take_over(data_dir, &store)?;
        }
        (Contents::Unmarked, Ok(None)) => return Err(parts_lost(data_dir, &[VERSION_1_CATALOG])),
        (Contents::Complete, Ok(None)) => return Err(strange_grid(data_dir)),
    }
    if contents != Contents::Complete {
        if data_dir.join(VERSION_1_CATALOG).is_dir() {
            lost_found::set_aside(
                data_dir,
                Path::new(VERSION_1_CATALOG),
                "it was taken over into the weight store",
            )?;
        }
        finish(data_dir)?;
    }
    for part in [CACHE, INDEX] {
        make_directory(&data_dir.join(part))?;
    }
    Ok(store)
}

/// The weight store of a directory that is being made.
pub(super) fn open_grid(data_dir: &Path) -> Result<AdapterStore> {
    let grid = GridStore::open(&data_dir.join(GRID), &GridOptions::default())?;
    Ok(AdapterStore::new(Arc::new(grid)))
}

/// Has the weight store say of which version its directory is.
pub(super) fn put_version(store: &AdapterStore) -> Result<()> {
    store.write(|transaction| Ok(transaction.put_metadata(VERSION_KEY, &VERSION.to_le_bytes())?))
}

/// Says that a directory is complete, after everything else in it is durable.
pub(super) fn finish(data_dir: &Path) -> Result<()> {
    // Version 1 removes the files of tables that it does not know. It does not start where its catalog is a file.
    let guard = data_dir.join(VERSION_1_CATALOG);
    fs::write(&guard, VERSION_1_GUARD).map_err(Error::io("write", &guard))?;
    Marker::COMPLETE.write(data_dir)
}

/// Whether a weight store is that of a directory of this version or a later one.
pub(super) fn says_its_version(store: &AdapterStore) -> Result<bool> {
    Ok(version(store)?.is_some())
}

fn version(store: &AdapterStore) -> Result<Option<u64>> {
    let bytes = store.snapshot().metadata(VERSION_KEY)?;
    bytes.map(|bytes| stored_number(&bytes, "the version of the data directory")).transpose()
}

fn strange_grid(data_dir: &Path) -> Error {
    Error::Corrupt(format!(
        "the weight store in {} is not that of this data directory: it has none of its records; put the right one back, or \
         restore a backup (hyprstream restore)",
        data_dir.join(GRID).display()
    ))
}

fn make_parts(data_dir: &Path) -> Result<()> {
    tracing::info!(directory = %data_dir.display(), "making a new data directory");
    Marker::unfinished(Unfinished::New).write(data_dir)?;
    for part in [MODELS, GRID, TRAJECTORIES, TABLES, FILES] {
        make_directory(&data_dir.join(part))?;
    }
    sync_directory(data_dir)
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("make the directory", path))
}

/// Writes all that the catalog of version 1 has into the weight store.
fn take_over(data_dir: &Path, store: &AdapterStore) -> Result<()> {
    let catalog = data_dir.join(VERSION_1_CATALOG);
    tracing::info!(directory = %data_dir.display(), "taking over a data directory of version 1");
    let records = read_version_1_catalog(&catalog).map_err(|error| {
        Error::Corrupt(format!(
            "{error}; nothing was changed; restore the directory from a copy, or keep what is whole of it in a new one \
             (hyprstream salvage)"
        ))
    })?;
    put_version_1_records(store, &records)
}

/// Writes records of version 1 under the keys that this version reads, and that the directory has this version.
pub(super) fn put_version_1_records(store: &AdapterStore, records: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    store.write(|transaction| {
        for (key, value) in records {
            let table = key.strip_prefix(VERSION_1_TABLE).and_then(|name| std::str::from_utf8(name).ok());
            match table {
                Some(name) => transaction.put_metadata(&definition_key(name)?, value)?,
                None => transaction.put_metadata(key, value)?,
            }
        }
        Ok(transaction.put_metadata(VERSION_KEY, &VERSION.to_le_bytes())?)
    })
}
