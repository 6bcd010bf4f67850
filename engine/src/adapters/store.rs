//! The weight store of a data directory: snapshots to read from, and writes that are durable or leave no trace.

use std::sync::Arc;

use hyprstream_storage::{Durability, GridStore, Snapshot, WriteTransaction};

use crate::error::Result;
use crate::stored_number::stored_number;

/// The adapters of a data directory, with whatever else is kept in the grid beside them.
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

    /// The store itself, for checks, measurements and compaction.
    pub(crate) fn grid(&self) -> &GridStore {
        &self.grid
    }
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
