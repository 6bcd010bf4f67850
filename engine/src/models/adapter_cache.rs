//! Adapters kept ready beside a model, the least recently used given up first.

use std::collections::HashMap;
use std::sync::Arc;

use hyprstream_models::{LlamaAdapter, LlamaModel};
use parking_lot::Mutex;

use crate::adapters::matrices::read_weights;
use crate::adapters::resolve::ResolvedAdapter;
use crate::adapters::store::AdapterStore;
use crate::error::Result;
use crate::statistics::Statistics;

#[derive(Debug)]
pub(crate) struct AdapterCache {
    model: Arc<LlamaModel>,
    capacity_bytes: u64,
    statistics: Arc<Statistics>,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By the content hash of the adapter's weights.
    by_hash: HashMap<String, Entry>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    adapter: Arc<LlamaAdapter>,
    bytes: u64,
    last_use: u64,
}

impl AdapterCache {
    pub(crate) fn new(model: Arc<LlamaModel>, capacity_bytes: u64, statistics: Arc<Statistics>) -> Self {
        Self { model, capacity_bytes, statistics, entries: Mutex::new(Entries::default()) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.lock().bytes
    }

    /// Whether the adapter is ready.
    pub(crate) fn has(&self, wanted: &ResolvedAdapter) -> bool {
        self.entries.lock().by_hash.contains_key(&wanted.record.hash)
    }

    /// The adapter, read from the store if it is not ready yet. Callers that want it meanwhile wait for the same read.
    pub(crate) fn get(&self, store: &AdapterStore, wanted: &ResolvedAdapter) -> Result<Arc<LlamaAdapter>> {
        let mut entries = self.entries.lock();
        entries.uses += 1;
        let now = entries.uses;
        if let Some(entry) = entries.by_hash.get_mut(&wanted.record.hash) {
            entry.last_use = now;
            return Ok(Arc::clone(&entry.adapter));
        }
        let weights = read_weights(&store.snapshot(), &wanted.name, &wanted.version, &wanted.record)?;
        let adapter = LlamaAdapter::try_new(&self.model, &weights)?;
        self.statistics.adapter_loads.add(1);
        let bytes = wanted.record.parameters * 4;
        let entry = Entry { adapter: Arc::clone(&adapter), bytes, last_use: now };
        entries.by_hash.insert(wanted.record.hash.clone(), entry);
        entries.bytes += bytes;
        entries.shrink(self.capacity_bytes);
        Ok(adapter)
    }
}

impl Entries {
    /// Gives up entries until the rest fits, but never the one that was used last.
    fn shrink(&mut self, capacity_bytes: u64) {
        while self.bytes > capacity_bytes && self.by_hash.len() > 1 {
            let oldest =
                self.by_hash.iter().min_by_key(|(_, entry)| entry.last_use).map(|(hash, _)| hash.clone());
            if let Some(entry) = oldest.and_then(|hash| self.by_hash.remove(&hash)) {
                self.bytes -= entry.bytes;
            }
        }
    }
}
