//! What can go wrong; the variants say whose fault it is and what would help.

use std::path::{Path, PathBuf};

use crate::nearest::suggestion;

/// The result of every engine call.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the engine refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No model has this name.
    #[error("model \"{name}\" does not exist{}", suggestion(.nearest.as_deref()))]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// No adapter, or no such version or tag of it, has this name.
    #[error("adapter \"{name}\" does not exist{}", suggestion(.nearest.as_deref()))]
    UnknownAdapter {
        /// The name that was asked for.
        name: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// No object of this kind (a checkpoint, a training run, a setting) has this name.
    #[error("{kind} \"{name}\" does not exist{}", suggestion(.nearest.as_deref()))]
    UnknownObject {
        /// What kind of object was asked for.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// An object with this name is already there.
    #[error("{kind} \"{name}\" already exists")]
    AlreadyExists {
        /// What kind of object it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object is in use and cannot be changed now.
    #[error("{kind} \"{name}\" is in use: {reason}")]
    InUse {
        /// What kind of object it is.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Who uses it and what to do.
        reason: String,
    },
    /// An argument has a value that cannot be used.
    #[error("invalid {name} {value}: {reason}")]
    Argument {
        /// The argument's name, as in SQL.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// Why it cannot be used, with the limit.
        reason: String,
    },
    /// The prompt does not fit in the model's context.
    #[error(
        "the prompt has {prompt_tokens} tokens and the context of the model holds {context}; shorten the prompt or serve the model with a longer context"
    )]
    PromptTooLong {
        /// Tokens of the prompt after the chat template.
        prompt_tokens: usize,
        /// Tokens the model's context holds.
        context: usize,
    },
    /// The adapter was trained on another base model.
    #[error(
        "adapter \"{adapter}\" was trained on the model with hash {expected}, but this model has hash {found}; train the adapter again on this model, or name its own model"
    )]
    BaseMismatch {
        /// The adapter, with its version.
        adapter: String,
        /// Content hash of the base it was trained on.
        expected: String,
        /// Content hash of the model that was asked to answer.
        found: String,
    },
    /// The data directory is held by another process.
    #[error("the data directory {} is in use by {holder}", .data_dir.display())]
    Locked {
        /// The directory.
        data_dir: PathBuf,
        /// Who holds it, in words.
        holder: String,
        /// The line that the holder announced (the server's address), when it announced one.
        address: Option<String>,
    },
    /// The request was cancelled by its caller or by the engine's closing.
    #[error("the request was cancelled")]
    Cancelled,
    /// The machine does not have what the request needs; the arithmetic is in the text.
    #[error("{0}")]
    Resource(String),
    /// A feature that this version does not have.
    #[error("{0} is not available in this version")]
    Unsupported(String),
    /// A model's file is malformed or incomplete.
    #[error("the model cannot be used: {}: {reason}", .file.display())]
    InvalidModel {
        /// The file at fault.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller asked for something that cannot be done; the text says what and why.
    #[error("{0}")]
    Refused(String),
    /// Stored data does not match its checksum or its format.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was being done, as a verb.
        action: String,
        /// The path it was done to.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A defect of this program.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    pub(crate) fn io(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let (action, path) = (action.to_owned(), path.to_owned());
        move |source| Self::Io { action, path, source }
    }

    /// An [`Error::Argument`] for a value that can be displayed.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and texts as they have them")]
    pub(crate) fn argument(name: &'static str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Argument { name, value: value.to_string(), reason: reason.into() }
    }

    /// An [`Error::Argument`] for a text, which is quoted.
    pub(crate) fn text_argument(name: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self::argument(name, format!("\"{text}\""), reason)
    }
}

impl From<hyprstream_models::Error> for Error {
    fn from(error: hyprstream_models::Error) -> Self {
        use hyprstream_models::Error as Models;
        match error {
            Models::Invalid { file, reason } => Self::InvalidModel { file, reason },
            Models::Unsupported(what) => Self::Unsupported(what),
            Models::Argument(reason) => Self::Refused(reason),
            Models::Io { action, path, source } => Self::Io { action, path, source },
            Models::Resource(reason) => Self::Resource(reason),
            Models::Cancelled => Self::Cancelled,
            Models::NotFinite => Self::Corrupt(error.to_string()),
            Models::Internal(reason) => Self::Internal(reason),
        }
    }
}

impl From<hyprstream_learning::Error> for Error {
    fn from(error: hyprstream_learning::Error) -> Self {
        use hyprstream_learning::Error as Learning;
        match error {
            Learning::Model(error) => error.into(),
            Learning::Cancelled => Self::Cancelled,
            Learning::Resource(reason) => Self::Resource(reason),
            Learning::State(reason) => Self::Corrupt(format!("saved training state: {reason}")),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

impl From<hyprstream_storage::Error> for Error {
    fn from(error: hyprstream_storage::Error) -> Self {
        use hyprstream_storage::Error as Storage;
        if error.is_storage_full() {
            return Self::Resource(format!("{error}; free some space and try again"));
        }
        match error {
            Storage::Argument { name, reason } => Self::Refused(format!("invalid {name}: {reason}")),
            Storage::NotFound { kind, name } => Self::UnknownObject { kind, name, nearest: None },
            Storage::AlreadyExists { kind, name } => Self::AlreadyExists { kind, name },
            Storage::Locked { directory, holder } => Self::Locked {
                data_dir: directory.0,
                holder: holder.to_string(),
                address: (!holder.note.is_empty()).then_some(holder.note),
            },
            Storage::Io { action, path, source } => {
                Self::Io { action: action.to_owned(), path: path.0, source }
            }
            Storage::Corrupt { .. }
            | Storage::UnsupportedVersion { .. }
            | Storage::UnsupportedType { .. } => Self::Corrupt(error.to_string()),
            Storage::OutcomeUnknown { .. } => Self::Resource(error.to_string()),
            Storage::Internal(reason) => Self::Internal(reason),
            other => Self::Refused(other.to_string()),
        }
    }
}
