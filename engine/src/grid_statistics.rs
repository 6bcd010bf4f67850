//! What the versions of adapters hold in the weight store and share there.

use std::collections::VecDeque;

use hyprstream_storage::{Error as StorageError, VersionInfo, VersionStatistics};

use crate::adapter_store::AdapterStore;
use crate::engine::Engine;
use crate::errors::Result;
use crate::rows::GridStatisticsRow;

impl Engine {
    /// A row a version, drafts included, by adapter and age, and at last the row of the store, each measured when the
    /// iterator comes to it. With `adapter`, only its versions.
    pub fn grid_statistics(
        &self,
        adapter: Option<&str>,
    ) -> Result<Box<dyn Iterator<Item = Result<GridStatisticsRow>> + Send>> {
        let snapshot = self.adapter_store.snapshot();
        let adapters = match adapter {
            Some(adapter) => vec![adapter.to_owned()],
            None => snapshot.adapters()?,
        };
        let mut versions = VecDeque::new();
        for adapter in adapters {
            versions.extend(snapshot.versions(&adapter)?);
        }
        Ok(Box::new(Rows {
            store: self.adapter_store.clone(),
            versions,
            total: adapter.is_none().then(GridStatisticsRow::default),
        }))
    }
}

struct Rows {
    store: AdapterStore,
    versions: VecDeque<VersionInfo>,
    /// What the versions so far came to, when the store's row is wanted.
    total: Option<GridStatisticsRow>,
}

impl Rows {
    fn advance(&mut self) -> Result<Option<GridStatisticsRow>> {
        while let Some(version) = self.versions.pop_front() {
            let found = match self
                .store
                .grid()
                .version_statistics(&version.adapter, &version.version)
            {
                Ok(found) => found,
                // It was dropped since the versions were listed.
                Err(StorageError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let row = version_row(version, found);
            if let Some(total) = &mut self.total {
                total.add(&row);
            }
            return Ok(Some(row));
        }
        let Some(mut store) = self.total.take() else {
            return Ok(None);
        };
        let file = self.store.grid().statistics()?;
        // The versions count what they share once each, the file has it once.
        store.shared_bytes = store.bytes.saturating_sub(file.used_bytes);
        store.bytes = file.used_bytes;
        store.file_bytes = Some(file.file_bytes);
        store.wal_bytes = Some(file.wal_bytes);
        Ok(Some(store))
    }
}

impl Iterator for Rows {
    type Item = Result<GridStatisticsRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.advance();
        if row.is_err() {
            self.versions.clear();
            self.total = None;
        }
        row.transpose()
    }
}

fn version_row(version: VersionInfo, found: VersionStatistics) -> GridStatisticsRow {
    GridStatisticsRow {
        adapter: Some(version.adapter),
        version: Some(version.version),
        published: Some(version.published),
        matrices: found.matrices,
        elements: found.elements,
        active_values: found.active,
        chunks: found.chunks,
        patches: found.patches,
        bytes: found.bytes,
        shared_bytes: found.shared_bytes,
        file_bytes: None,
        wal_bytes: None,
    }
}

impl GridStatisticsRow {
    fn add(&mut self, other: &Self) {
        self.matrices += other.matrices;
        self.elements += other.elements;
        self.active_values += other.active_values;
        self.chunks += other.chunks;
        self.patches += other.patches;
        self.bytes += other.bytes;
    }
}
