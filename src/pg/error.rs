//! How an answer to a client fails.

use crate::pg::wire::messages::Malformed;
use crate::pg::wire::transport::ReadError;
use crate::report::Report;

/// Why a message was not answered as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed; an open connection stays usable.
    Statement(Report),
    /// The connection ends, and the client is told why.
    Fatal(Report),
    /// The client broke the protocol, and the connection ends.
    Malformed(Malformed),
    /// The client has gone, and nothing is sent.
    Gone,
}

impl Failure {
    /// What the client is told of it, unless it has gone.
    pub(super) fn report(&self) -> Option<Report> {
        match self {
            Self::Statement(report) | Self::Fatal(report) => Some(report.clone()),
            Self::Malformed(malformed) => Some(Report::fatal("08P01", malformed.to_string())),
            Self::Gone => None,
        }
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Statement(report)
    }
}

impl From<hyprstream_sql::Error> for Failure {
    fn from(error: hyprstream_sql::Error) -> Self {
        Self::Statement(error.into())
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(_) => Self::Gone,
            ReadError::Malformed(malformed) => Self::Malformed(malformed),
        }
    }
}
