//! Space that is given back: that of the weight store, and of what nothing refers to.

use std::path::Path;

use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::data_dir::lost_found;
use crate::error::Result;

/// A weight store that was compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactedStore {
    /// Length of the weight store's file before.
    pub bytes_before: u64,
    /// Its length now.
    pub bytes_after: u64,
}

pub(crate) async fn compact(store: &AdapterStore, data_dir: &Path) -> Result<CompactedStore> {
    let (store, data_dir) = (store.clone(), data_dir.to_owned());
    blocking(move || {
        let compacted = store.grid().compact()?;
        lost_found::empty(&data_dir)?;
        Ok(CompactedStore { bytes_before: compacted.bytes_before, bytes_after: compacted.bytes_after })
    })
    .await
}
