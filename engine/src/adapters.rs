//! Versions of adapters: published once, never changed, named by name, version or tag.

use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rows::{AdapterRow, CheckpointRow, WeightBatch, WeightFilter};

/// Where a restored version's weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreSource {
    /// An earlier version, as a number or a tag.
    Version(String),
    /// A checkpoint, by its id.
    Checkpoint(u64),
}

impl Engine {
    /// All versions of all adapters, by name and version.
    pub fn adapters(&self) -> Result<Vec<AdapterRow>> {
        Err(Error::Unsupported("adapters".to_owned()))
    }

    /// All checkpoints, by id.
    pub fn checkpoints(&self) -> Result<Vec<CheckpointRow>> {
        Err(Error::Unsupported("checkpoints".to_owned()))
    }

    /// The version that a name (`name`, `name@version`, `name@tag`) means now.
    pub fn adapter(&self, _name: &str) -> Result<AdapterRow> {
        Err(Error::Unsupported("adapters".to_owned()))
    }

    /// Publishes a new version of `name` with the weights of an earlier version or of a checkpoint.
    pub fn restore_adapter(&self, _name: &str, _source: &RestoreSource) -> Result<AdapterRow> {
        Err(Error::Unsupported("restore_adapter".to_owned()))
    }

    /// Publishes `source` (`name`, `name@version` or `name@tag`) as version 1 of the new adapter `name`; pages are shared.
    pub fn branch_adapter(&self, _source: &str, _name: &str) -> Result<AdapterRow> {
        Err(Error::Unsupported("branch_adapter".to_owned()))
    }

    /// Points a tag at a version of an adapter, moving it when it is there already.
    pub fn tag_adapter(&self, _name: &str, _tag: &str) -> Result<AdapterRow> {
        Err(Error::Unsupported("tag_adapter".to_owned()))
    }

    /// Drops an adapter (`name`) with all its versions, or one version (`name@version`); says how many versions went.
    pub fn drop_adapter(&self, _name: &str) -> Result<u64> {
        Err(Error::Unsupported("drop_adapter".to_owned()))
    }

    /// Takes a checkpoint: of the running training run of that adapter at its next step, else of its latest version.
    pub async fn checkpoint_adapter(&self, _name: &str) -> Result<CheckpointRow> {
        Err(Error::Unsupported("checkpoint_adapter".to_owned()))
    }

    /// The active weights of one version, read from the store batch by batch as the iterator is driven.
    pub fn adapter_weights(
        &self,
        _name: &str,
        _filter: &WeightFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<WeightBatch>> + Send>> {
        Err(Error::Unsupported("adapter_weights".to_owned()))
    }
}
