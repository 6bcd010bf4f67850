//! Models: which there are, which are in memory, and the adapters kept ready beside those.

pub(crate) mod adapter_cache;
pub(crate) mod bundled;
pub(crate) mod entry;
pub(crate) mod queue_permits;
pub(crate) mod registry;
pub(crate) mod runtime;
pub(crate) mod sizing;
