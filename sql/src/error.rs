//! What went wrong with a statement, by kind, so that a server can map it to its own codes.

use std::fmt;
use std::io;
use std::path::Path;

use datafusion::error::DataFusionError;
use hyprstream_engine::Error as EngineError;

/// The result of everything that a session does.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of mistake or fault an [`Error`] is. Servers map it to SQLSTATE or a gRPC status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The statement does not parse (42601).
    SyntaxError,
    /// A table or table function is not there (42P01).
    UndefinedTable,
    /// A column is not there (42703).
    UndefinedColumn,
    /// A column name fits more than one table (42702).
    AmbiguousColumn,
    /// A column is named twice (42701).
    DuplicateColumn,
    /// A function or procedure, or an overload for these argument types, is not there (42883).
    UndefinedFunction,
    /// A model, adapter, version, run, setting or named argument is not there (42704).
    UndefinedObject,
    /// A schema is not there (3F000).
    UndefinedSchema,
    /// A database is not there (3D000).
    UndefinedDatabase,
    /// An argument or setting has a value outside its limits (22023).
    InvalidParameter,
    /// A value does not read as the type that was asked for (22P02).
    InvalidText,
    /// Types do not fit one another (42804).
    DatatypeMismatch,
    /// A table exists already (42P07).
    DuplicateTable,
    /// An adapter, tag or other object exists already (42710).
    DuplicateObject,
    /// The statement cannot be planned for another reason (42000).
    InvalidStatement,
    /// A value that a function or a cast cannot work with (22000).
    DataException,
    /// A NULL for a column that takes none (23502).
    NotNullViolation,
    /// Division by zero (22012).
    DivisionByZero,
    /// A number is outside the range of its type (22003).
    NumericOutOfRange,
    /// Not there, and the message says so (0A000).
    FeatureNotSupported,
    /// Another statement changed the same table first (40001).
    SerializationFailure,
    /// The transaction block failed before and takes only ROLLBACK (25P02).
    InFailedTransaction,
    /// A statement that may not run inside a transaction block (25001).
    ActiveTransaction,
    /// The role or the configuration does not allow it (42501).
    InsufficientPrivilege,
    /// The statement was cancelled or ran into its timeout (57014).
    QueryCanceled,
    /// Memory, disk or another limit is used up (53000).
    InsufficientResources,
    /// The statement is longer or deeper than is taken (54001).
    StatementTooComplex,
    /// Reading or writing a file failed (58030).
    IoError,
    /// Stored bytes do not check out (XX001).
    DataCorrupted,
    /// Another process or run holds the object (55006).
    ObjectInUse,
    /// The object is not in the state that the statement needs (55000).
    ObjectNotInPrerequisiteState,
    /// A fault of ours (XX000).
    Internal,
}

impl ErrorKind {
    /// The five characters that Postgres clients know this kind by.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::SyntaxError => "42601",
            Self::UndefinedTable => "42P01",
            Self::UndefinedColumn => "42703",
            Self::AmbiguousColumn => "42702",
            Self::DuplicateColumn => "42701",
            Self::UndefinedFunction => "42883",
            Self::UndefinedObject => "42704",
            Self::UndefinedSchema => "3F000",
            Self::UndefinedDatabase => "3D000",
            Self::InvalidParameter => "22023",
            Self::InvalidText => "22P02",
            Self::DatatypeMismatch => "42804",
            Self::DuplicateTable => "42P07",
            Self::DuplicateObject => "42710",
            Self::InvalidStatement => "42000",
            Self::DataException => "22000",
            Self::NotNullViolation => "23502",
            Self::DivisionByZero => "22012",
            Self::NumericOutOfRange => "22003",
            Self::FeatureNotSupported => "0A000",
            Self::SerializationFailure => "40001",
            Self::InFailedTransaction => "25P02",
            Self::ActiveTransaction => "25001",
            Self::InsufficientPrivilege => "42501",
            Self::QueryCanceled => "57014",
            Self::InsufficientResources => "53000",
            Self::StatementTooComplex => "54001",
            Self::IoError => "58030",
            Self::DataCorrupted => "XX001",
            Self::ObjectInUse => "55006",
            Self::ObjectNotInPrerequisiteState => "55000",
            Self::Internal => "XX000",
        }
    }
}

/// An error of a statement: what happened, and where known what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    position: Option<usize>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, position: None }
    }

    /// The error for something that Postgres has and this program does not.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported in this version"))
    }

    /// The error for a fault of ours.
    #[expect(clippy::needless_pass_by_value, reason = "so that it can be handed to map_err by name")]
    pub(crate) fn internal(what: impl ToString) -> Self {
        Self::new(ErrorKind::Internal, what.to_string())
    }

    /// The error of doing `action` with a file.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(ErrorKind::IoError, format!("cannot {action} {}: {error}", path.display()))
    }

    /// The same error with a line that says what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error pointing at a character of the statement's text, counted from 1.
    pub fn with_position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The character of the statement's text that it is about, counted from 1, where known.
    pub fn position(&self) -> Option<usize> {
        self.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<&EngineError> for Error {
    fn from(error: &EngineError) -> Self {
        let kind = match error {
            EngineError::UnknownModel { .. }
            | EngineError::UnknownAdapter { .. }
            | EngineError::UnknownObject { .. } => ErrorKind::UndefinedObject,
            EngineError::AlreadyExists { .. } => ErrorKind::DuplicateObject,
            EngineError::InUse { .. } | EngineError::Locked { .. } => ErrorKind::ObjectInUse,
            EngineError::Argument { .. } | EngineError::PromptTooLong { .. } | EngineError::Refused(_) => {
                ErrorKind::InvalidParameter
            }
            EngineError::BaseMismatch { .. } | EngineError::InvalidModel { .. } => {
                ErrorKind::ObjectNotInPrerequisiteState
            }
            EngineError::Cancelled => ErrorKind::QueryCanceled,
            EngineError::Resource(_) => ErrorKind::InsufficientResources,
            EngineError::Unsupported(_) => ErrorKind::FeatureNotSupported,
            EngineError::Corrupt(_) => ErrorKind::DataCorrupted,
            EngineError::Io { .. } => ErrorKind::IoError,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::from(&error)
    }
}

/// The error of this crate that another one wraps.
pub(crate) fn inner_error(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error.clone());
    }
    // The source of an I/O error is that of the error inside, not the error itself.
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return inner_error(error.get_ref()?);
    }
    inner_error(error.source()?)
}

/// Carries an error through a plan, whole.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}
