//! What can go wrong while training or evaluating.

use std::path::PathBuf;

/// An error of the recipe, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument or an input file that makes no sense.
    #[error("{0}")]
    Argument(String),
    /// A file that could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// The tokenizer could not be trained, loaded or applied.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The model could not be loaded or run.
    #[error(transparent)]
    Models(#[from] hyprstream_models::Error),
    /// Training failed.
    #[error(transparent)]
    Learning(#[from] hyprstream_learning::Error),
}

/// The result of the recipe's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] made from what was tried on which file.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
