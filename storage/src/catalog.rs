//! Small records in `sled`: settings, conversations, table definitions and whatever else refers to no weights.
//!
//! Keys are bytes in one ordered space; callers prefix theirs (`setting/`, `table/`). A write is visible at once
//! and durable once [`Catalog::flush`] has returned; before that a crash keeps a prefix of the writes. The
//! durable variants flush before they return.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A change of one key, applied with others in [`Catalog::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    /// Sets the key.
    Put(Vec<u8>, Vec<u8>),
    /// Removes the key; a missing one is no error.
    Remove(Vec<u8>),
}

/// An ordered map from bytes to bytes that survives the process.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: sled::Db,
    path: PathBuf,
}

impl Catalog {
    /// Opens the catalog in `directory`, creating it when it is missing.
    pub fn open(directory: &Path) -> Result<Self> {
        let config = sled::Config::new().path(directory).cache_capacity(8 << 20).flush_every_ms(Some(200));
        // sled asserts on some damaged logs; a damaged catalog is an error of the file, not a reason to die.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open())).map_err(|_| {
            Error::corrupt(
                directory,
                0,
                "the catalog",
                "its log cannot be read; restore the directory from a backup",
            )
        })?;
        let database = opened.map_err(|e| from_sled("open the catalog", directory, e))?;
        Ok(Self { database, path: directory.to_owned() })
    }

    /// Sets a key, visible at once, durable after the next flush.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.database.insert(key, value).map(drop).map_err(|e| from_sled("write the catalog", &self.path, e))
    }

    /// Sets a key and returns once it is durable.
    pub fn put_durable(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put(key, value)?;
        self.flush()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.database.get(key).map_err(|e| from_sled("read the catalog", &self.path, e))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// Removes a key and says whether it was there.
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        let removed = self.database.remove(key).map_err(|e| from_sled("write the catalog", &self.path, e))?;
        Ok(removed.is_some())
    }

    /// Applies all changes or none of them, in the face of a crash too, and returns once they are durable.
    pub fn apply(&self, changes: &[CatalogChange]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                CatalogChange::Put(key, value) => batch.insert(key.as_slice(), value.as_slice()),
                CatalogChange::Remove(key) => batch.remove(key.as_slice()),
            }
        }
        self.database.apply_batch(batch).map_err(|e| from_sled("write the catalog", &self.path, e))?;
        self.flush()
    }

    /// All keys that begin with `prefix`, in order, with their values.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.database
            .scan_prefix(prefix)
            .map(|entry| {
                let (key, value) = entry.map_err(|e| from_sled("read the catalog", &self.path, e))?;
                Ok((key.to_vec(), value.to_vec()))
            })
            .collect()
    }

    /// Returns once everything written before the call is on disk.
    pub fn flush(&self) -> Result<()> {
        self.database.flush().map(drop).map_err(|e| from_sled("sync the catalog", &self.path, e))
    }
}

fn from_sled(action: &'static str, path: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) if source.kind() == std::io::ErrorKind::WouldBlock => Error::Locked {
            directory: crate::error::DisplayPath(path.to_owned()),
            holder: crate::error::Holder::default(),
        },
        sled::Error::Io(source) => Error::io(action, path, source),
        sled::Error::Corruption { at, .. } => {
            Error::corrupt(path, 0, "the catalog", format!("its log is damaged at {at:?}"))
        }
        other => Error::internal(format!("{action}: {other}")),
    }
}
