//! A data directory: its parts, whether all of them are there, and what becomes of what nothing refers to.
//!
//! A directory that has lost a part is never started without it, because nobody could tell an empty store from a lost
//! one. `hyprstream.json` and a record in the weight store both say that a directory is complete and of which version.

pub(crate) mod contents;
pub(crate) mod files;
pub(crate) mod lost_found;
pub(crate) mod marker;

/// Held by the process that has the directory open; its note is that process's address.
pub(crate) const LOCK_FILE: &str = "hyprstream.lock";
/// The weight store's file.
pub(crate) const GRID_FILE: &str = "grid/grid.data";

/// A directory or file a model.
pub(crate) const MODELS: &str = "models";
/// Converted weights; they can be deleted and are made again.
pub(crate) const CACHE: &str = "cache";
/// The weight store: adapters, checkpoints, training runs, embeddings of trajectories, definitions of tables, settings,
/// conversations.
pub(crate) const GRID: &str = "grid";
/// The log of recorded answers.
pub(crate) const TRAJECTORIES: &str = "trajectories";
/// The rows of users' tables.
pub(crate) const TABLES: &str = "tables";
/// What SQL may read and write.
pub(crate) const FILES: &str = "files";
/// What can be computed again from the log of recorded answers.
pub(crate) const INDEX: &str = "index";
/// What nothing refers to any more.
pub(crate) const LOST_FOUND: &str = "lost+found";
/// What version 1 kept settings, conversations and definitions of tables in.
pub(crate) const VERSION_1_CATALOG: &str = "catalog";
/// What stands in a file of that name from version 2 on.
pub(crate) const VERSION_1_GUARD: &str =
    "This data directory has version 2. The directory that version 1 had here is in the weight store.\n";
/// In the directory of a backup: its files and their hashes.
pub(crate) const BACKUP_FILE: &str = "backup.json";
