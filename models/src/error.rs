//! What can go wrong with a model, by whose fault it is.

use std::path::{Path, PathBuf};

/// The result of every operation of this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate; each variant says whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model file is malformed or disagrees with the others beside it.
    #[error("{}: {reason}", file.display())]
    Invalid {
        /// The file (or directory) that was refused.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A well-formed request or model that this version does not handle.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The caller passed a value that cannot be used.
    #[error("{0}")]
    Argument(String),
    /// The operating system refused to read or write.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: String,
        /// The file it was attempted on.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Memory, sequences or cache space ran out.
    #[error("{0}")]
    Resource(String),
    /// The caller cancelled the work.
    #[error("cancelled")]
    Cancelled,
    /// A model computed with numbers that are not finite.
    #[error("the model's answer has no finite number; its weights are damaged")]
    NotFinite,
    /// A fault of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn invalid(file: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Invalid { file: file.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// For `map_err` on an I/O call: `.map_err(Error::io("read", path))`.
    pub(crate) fn io<'a>(
        action: &'a str,
        path: &'a (impl AsRef<Path> + ?Sized),
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::Io { action: action.to_owned(), path: path.as_ref().to_path_buf(), source }
    }
}
