//! The weight store of a data directory: snapshots to read from, and writes that are durable or leave no trace.

use std::sync::Arc;

use hyprstream_storage::{Durability, Error as StorageError, GridStore, Snapshot, WriteTransaction};

use crate::adapters::delayed_sync::{DelayedSync, Unsynced};
use crate::error::{Error, Result};
use crate::stored_number::stored_number;

/// The adapters of a data directory, with whatever else is kept in the grid beside them.
#[derive(Debug, Clone)]
pub(crate) struct AdapterStore {
    grid: Arc<GridStore>,
    unsynced: Arc<Unsynced>,
}

impl AdapterStore {
    pub(crate) fn new(grid: Arc<GridStore>) -> Self {
        Self { grid, unsynced: Arc::default() }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.grid.snapshot()
    }

    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.grid.sync()?)
    }

    /// Runs one write and makes it durable, or leaves no trace of it. Waits while another write goes on.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>) -> Result<T> {
        self.commit(Durability::Immediate, change)
    }

    /// As [`Self::write`], but what is written is visible at once, survives the process, and is durable a moment later.
    pub(crate) fn write_eventually<T>(
        &self,
        change: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let result = self.commit(Durability::Eventual, change)?;
        self.unsynced.note();
        Ok(result)
    }

    fn commit<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut transaction = self.grid.begin_write()?;
        let result = change(&mut transaction)?;
        transaction.commit(durability)?;
        Ok(result)
    }

    /// Begins to sync what [`Self::write_eventually`] writes.
    pub(crate) fn start_delayed_sync(&self) -> Result<DelayedSync> {
        let grid = Arc::clone(&self.grid);
        DelayedSync::start(Arc::clone(&self.unsynced), move || Ok(grid.sync()?))
    }

    /// The records below a prefix, without those that are damaged: one that nobody can read does not keep the others from
    /// being read. What is left out is in the log, and `verify_store` names it.
    pub(crate) fn readable_records(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let found = self.snapshot().readable_metadata(prefix.as_bytes())?;
        for error in found.damages {
            tracing::error!(%error, prefix, "some records are damaged and left out");
        }
        let mut records = Vec::with_capacity(found.entries.len());
        for (key, value) in found.entries {
            match value {
                Ok(value) => records.push((key, value)),
                Err(error @ StorageError::Corrupt { .. }) => left_out(&key, &error.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(records)
    }

    /// The store itself, for checks, measurements and compaction.
    pub(crate) fn grid(&self) -> &GridStore {
        &self.grid
    }
}

/// Says in the log that a record is damaged and not shown.
pub(crate) fn left_out(key: &[u8], error: &Error) {
    let key = String::from_utf8_lossy(key);
    tracing::error!(%error, %key, "a record is damaged and left out");
}

/// The next number of a counter that is kept in the store; the first is 1.
pub(crate) fn next_number(transaction: &mut WriteTransaction<'_>, counter: &str) -> Result<u64> {
    let key = format!("counter/{counter}").into_bytes();
    let last = match transaction.metadata(&key)? {
        Some(bytes) => stored_number(&bytes, &format!("the counter {counter}"))?,
        None => 0,
    };
    transaction.put_metadata(&key, &(last + 1).to_le_bytes())?;
    Ok(last + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyprstream_storage::{GridOptions, GridStore};

    use super::{AdapterStore, next_number};
    use crate::error::Error;

    #[test]
    fn a_counter_begins_at_one_and_a_damaged_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let grid = GridStore::open(&directory.path().join("grid"), &GridOptions::default()).unwrap();
        let store = AdapterStore::new(Arc::new(grid));
        assert_eq!(store.write(|transaction| next_number(transaction, "run")).unwrap(), 1);
        assert_eq!(store.write(|transaction| next_number(transaction, "run")).unwrap(), 2);
        store.write(|transaction| Ok(transaction.put_metadata(b"counter/run", b"short")?)).unwrap();
        let error = store.write(|transaction| next_number(transaction, "run")).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{error}");
        assert!(error.to_string().contains("the counter run has 5 bytes"), "{error}");
    }
}
