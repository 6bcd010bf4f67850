//! Space of the weight store that is given back.

use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::error::Result;

/// A weight store that was compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactedStore {
    /// Length of the store's file before.
    pub bytes_before: u64,
    /// Its length now.
    pub bytes_after: u64,
}

pub(crate) async fn compact(store: &AdapterStore) -> Result<CompactedStore> {
    let store = store.clone();
    blocking(move || {
        let compacted = store.grid().compact()?;
        Ok(CompactedStore { bytes_before: compacted.bytes_before, bytes_after: compacted.bytes_after })
    })
    .await
}
