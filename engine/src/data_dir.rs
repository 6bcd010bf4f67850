//! The parts of a data directory.

use std::path::Path;

use crate::error::{Error, Result};

/// Held by the process that has the directory open; its note is that process's address.
pub(crate) const LOCK_FILE: &str = "hyprstream.lock";
/// The weight store's file.
pub(crate) const GRID_FILE: &str = "grid/grid.data";

/// A directory or file a model.
pub(crate) const MODELS: &str = "models";
/// Converted weights; they can be deleted and are made again.
pub(crate) const CACHE: &str = "cache";
/// The weight store: adapters, checkpoints, training runs, embeddings of trajectories.
pub(crate) const GRID: &str = "grid";
/// Settings, conversations, definitions of tables, steps of training runs.
pub(crate) const CATALOG: &str = "catalog";
/// The log of recorded answers.
pub(crate) const TRAJECTORIES: &str = "trajectories";
/// The rows of users' tables.
pub(crate) const TABLES: &str = "tables";
/// What SQL may read and write.
pub(crate) const FILES: &str = "files";

/// Makes the parts of a data directory that are missing.
pub(crate) fn create(data_dir: &Path) -> Result<()> {
    if !data_dir.join(CATALOG).exists() {
        tracing::info!(directory = %data_dir.display(), "making a new data directory");
    }
    for part in ["", MODELS, CACHE, GRID, CATALOG, TRAJECTORIES, TABLES, FILES] {
        let path = data_dir.join(part);
        std::fs::create_dir_all(&path).map_err(Error::io("make the directory", &path))?;
    }
    Ok(())
}
