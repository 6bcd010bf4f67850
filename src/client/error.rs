//! How statements fail for a command.

use crate::config::error::ConfigError;
use crate::report::Report;

/// Why statements did not run to their end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// A statement failed; further ones can be run.
    #[error("{}", .0.message)]
    Statement(Report),
    /// The data directory could not be opened, or its server could not be reached or was lost.
    #[error("{0}")]
    Connection(String),
    /// The results could not be written.
    #[error("cannot write the results: {0}")]
    Output(#[from] std::io::Error),
}

impl From<hyprstream_sql::Error> for ClientError {
    fn from(error: hyprstream_sql::Error) -> Self {
        Self::Statement(error.into())
    }
}

impl From<ConfigError> for ClientError {
    fn from(ConfigError(message): ConfigError) -> Self {
        Self::Connection(message)
    }
}
