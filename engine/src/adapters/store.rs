//! The weight store of a data directory: snapshots to read from, and writes that are durable or leave no trace.

use std::sync::Arc;

use hyprstream_storage::{Durability, GridStore, Snapshot, WriteTransaction};

use crate::error::Result;

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
    let last =
        transaction.metadata(&key)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    transaction.put_metadata(&key, &(last + 1).to_le_bytes())?;
    Ok(last + 1)
}
