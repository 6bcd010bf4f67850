//! The database: what all sessions share.

use std::path::PathBuf;
use std::sync::Arc;

use hyprstream_engine::Engine;

use crate::error::Result;
use crate::session::{Session, SessionOptions};

/// How a database is opened.
#[derive(Debug, Clone, Default)]
pub struct DatabaseOptions {
    /// Directories besides `<data-dir>/files` that SQL may read and write files in.
    pub file_directories: Vec<PathBuf>,
}

/// What all sessions share: the engine, the tables, the functions.
#[derive(Debug)]
pub struct Database {
    engine: Arc<Engine>,
    options: DatabaseOptions,
}

impl Database {
    /// Opens the tables of the engine's data directory, and removes what an interrupted statement left behind.
    pub fn try_new(engine: Arc<Engine>, options: DatabaseOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { engine, options }))
    }

    /// The engine under this database.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// A new session, with settings of its own.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Result<Session> {
        Session::try_new(Arc::clone(self), options)
    }

    pub(crate) fn options(&self) -> &DatabaseOptions {
        &self.options
    }
}
