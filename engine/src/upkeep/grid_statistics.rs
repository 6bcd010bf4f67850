//! What the versions of adapters hold in the weight store and share there.

use std::collections::VecDeque;

use hyprstream_storage::{Error as StorageError, VersionInfo, VersionStatistics};

use crate::adapters::store::AdapterStore;
use crate::error::Result;
use crate::trajectories::embeddings::OWNER;

/// What one version holds in the weight store, or the store as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GridStatisticsRow {
    /// The adapter; `None` in the row of the store, which counts all that is in it.
    pub adapter: Option<String>,
    /// Its version, or the name of a draft; `None` in the row of the store.
    pub version: Option<String>,
    /// Whether it is a version that answers and not the draft of a checkpoint.
    pub published: Option<bool>,
    /// Matrices.
    pub matrices: u64,
    /// Rows times columns of all of them.
    pub elements: u64,
    /// Elements whose bits are not those of +0.0.
    pub active_values: u64,
    /// Chunks of up to 65,536 elements that are stored.
    pub chunks: u64,
    /// Of them those stored as what changed since another chunk.
    pub patches: u64,
    /// Bytes that it refers to; of the store, the bytes in use in its file.
    pub bytes: u64,
    /// Of them those that other versions refer to as well; of the store, the bytes that sharing saves at least.
    pub shared_bytes: u64,
    /// Length of the store's file; `None` in the row of a version.
    pub file_bytes: Option<u64>,
    /// Bytes of the store's write-ahead log; `None` in the row of a version.
    pub wal_bytes: Option<u64>,
}

impl GridStatisticsRow {
    /// Active values over elements, 0 where there are none.
    pub fn density(&self) -> f64 {
        if self.elements == 0 {
            return 0.0;
        }
        self.active_values as f64 / self.elements as f64
    }

    /// Shared bytes over bytes, 0 where there are none.
    pub fn sharing(&self) -> f64 {
        if self.bytes == 0 {
            return 0.0;
        }
        self.shared_bytes as f64 / self.bytes as f64
    }
}

pub(crate) fn grid_statistics(
    store: &AdapterStore,
    adapter: Option<&str>,
) -> Result<impl Iterator<Item = Result<GridStatisticsRow>> + Send + use<>> {
    let snapshot = store.snapshot();
    let adapters = match adapter {
        Some(OWNER) => Vec::new(),
        Some(adapter) => vec![adapter.to_owned()],
        None => snapshot.adapters()?,
    };
    let mut versions = VecDeque::new();
    for adapter in adapters {
        versions.extend(snapshot.versions(&adapter)?);
    }
    let total = adapter.is_none().then(GridStatisticsRow::default);
    Ok(Rows { store: store.clone(), versions, total })
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
            let found = match self.store.grid().version_statistics(&version.adapter, &version.version) {
                Ok(found) => found,
                // It was dropped since the versions were listed.
                Err(StorageError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let row = version_row(version, found);
            if let Some(total) = &mut self.total {
                total.add(&row);
            }
            if row.adapter.as_deref() == Some(OWNER) {
                continue;
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
