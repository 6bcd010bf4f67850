//! The engine itself: opening, closing, and the calls that answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::embed::{EmbedRequest, Embedding};
use crate::errors::{Error, Result};
use crate::generation::{Completion, GenerateRequest, Generation};
use crate::options::EngineOptions;
use crate::rows::{ModelRow, SessionRow, TrajectoryFilter, TrajectoryRow, TrajectoryTokenRow};
use crate::score::{Score, ScoreRequest};

/// The process that holds a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, when it is known.
    pub pid: Option<u32>,
    /// What it announced, such as its server's address; may be empty.
    pub address: String,
}

/// A data directory opened for answering and training.
#[derive(Debug)]
pub struct Engine {
    options: EngineOptions,
}

impl Engine {
    /// Opens the data directory, making it when it is not there, and takes its lock.
    pub fn open(options: EngineOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { options }))
    }

    /// Writes a line (the server's address) into the lock file, for whoever finds the directory locked.
    pub fn announce(&self, _line: &str) -> Result<()> {
        Err(Error::Unsupported("announce".to_owned()))
    }

    /// Cancels what runs, writes what is pending and stops every thread. Further calls fail with [`Error::Cancelled`].
    pub fn close(&self) -> Result<()> {
        Ok(())
    }

    /// Who holds a data directory now; `None` when nobody does.
    pub fn holder(data_dir: &Path) -> Result<Option<Holder>> {
        let _ = data_dir;
        Err(Error::Unsupported("holder".to_owned()))
    }

    /// Where the files of users' tables are kept.
    pub fn tables_dir(&self) -> PathBuf {
        self.options.data_dir.join("tables")
    }

    /// The directory under which SQL may read and write files.
    pub fn files_dir(&self) -> PathBuf {
        self.options.data_dir.join("files")
    }

    /// Name of the model that answers when a request names none.
    pub fn default_model(&self) -> Result<String> {
        Err(Error::Unsupported("default_model".to_owned()))
    }

    /// The directory that was opened.
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }

    /// Starts an answer; waits while the model loads and while its queue is full.
    pub async fn generate(&self, _request: GenerateRequest) -> Result<Generation> {
        Err(Error::Unsupported("generate".to_owned()))
    }

    /// A whole answer at once; dropping the future cancels it.
    pub async fn complete(&self, _request: GenerateRequest) -> Result<Completion> {
        Err(Error::Unsupported("generate".to_owned()))
    }

    /// The vectors of texts, in their order.
    pub async fn embed(&self, _request: EmbedRequest) -> Result<Vec<Embedding>> {
        Err(Error::Unsupported("embed".to_owned()))
    }

    /// Length of a model's embeddings, for planning; `None` is the default model.
    pub fn embedding_length(&self, _model: Option<&str>) -> Result<usize> {
        Err(Error::Unsupported("embed".to_owned()))
    }

    /// Log-probability of a completion after a prompt.
    pub async fn score(&self, _request: ScoreRequest) -> Result<Score> {
        Err(Error::Unsupported("score".to_owned()))
    }

    /// The models that can answer, by name.
    pub fn models(&self) -> Result<Vec<ModelRow>> {
        Err(Error::Unsupported("models".to_owned()))
    }

    /// Recorded answers. Rows are read as the iterator is driven.
    pub fn trajectories(
        &self,
        _filter: &TrajectoryFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<TrajectoryRow>> + Send>> {
        Err(Error::Unsupported("trajectories".to_owned()))
    }

    /// Tokens of recorded answers. Rows are read as the iterator is driven.
    pub fn trajectory_tokens(
        &self,
        _filter: &TrajectoryFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<TrajectoryTokenRow>> + Send>> {
        Err(Error::Unsupported("trajectory_tokens".to_owned()))
    }

    /// The conversations, by name.
    pub fn sessions(&self) -> Result<Vec<SessionRow>> {
        Err(Error::Unsupported("sessions".to_owned()))
    }
}
