//! How a request ends.

use crate::error::Error;

/// How a sequence leaves the batch.
pub(super) enum Ending {
    Done,
    /// Nobody waits for the answer any more.
    Abandoned,
    Failed(Error),
}

impl Ending {
    /// One of several requests that the same error ends.
    pub(super) fn failed(error: &Error) -> Self {
        Self::Failed(duplicate(error))
    }
}

/// A second copy of an error that ends several requests.
pub(super) fn duplicate(error: &Error) -> Error {
    match error {
        Error::Cancelled => Error::Cancelled,
        Error::Resource(reason) => Error::Resource(reason.clone()),
        Error::Internal(reason) => Error::Internal(reason.clone()),
        other => Error::Refused(other.to_string()),
    }
}
