//! Errors as gRPC statuses.

use hyprstream_sql::{Error, ErrorKind};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// The status of a failed statement. Its metadata carry the SQLSTATE, for clients that know both worlds.
pub(super) fn status(error: &Error) -> Status {
    let message = match error.hint() {
        Some(hint) => format!("{}\nHINT:  {hint}", error.message()),
        None => error.message().to_owned(),
    };
    let mut status = Status::new(code(error.kind()), message);
    status.metadata_mut().insert("sqlstate", MetadataValue::from_static(error.kind().sqlstate()));
    status
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::UndefinedTable
        | ErrorKind::UndefinedColumn
        | ErrorKind::UndefinedFunction
        | ErrorKind::UndefinedObject
        | ErrorKind::UndefinedSchema
        | ErrorKind::UndefinedDatabase => Code::NotFound,
        ErrorKind::SyntaxError
        | ErrorKind::AmbiguousColumn
        | ErrorKind::DuplicateColumn
        | ErrorKind::InvalidStatement
        | ErrorKind::StatementTooComplex
        | ErrorKind::DataException
        | ErrorKind::InvalidParameter
        | ErrorKind::InvalidText
        | ErrorKind::DatatypeMismatch
        | ErrorKind::NotNullViolation
        | ErrorKind::DivisionByZero => Code::InvalidArgument,
        ErrorKind::NumericOutOfRange => Code::OutOfRange,
        ErrorKind::DuplicateTable | ErrorKind::DuplicateObject => Code::AlreadyExists,
        ErrorKind::FeatureNotSupported => Code::Unimplemented,
        ErrorKind::InsufficientPrivilege => Code::PermissionDenied,
        ErrorKind::QueryCanceled => Code::Cancelled,
        ErrorKind::SerializationFailure => Code::Aborted,
        ErrorKind::InsufficientResources => Code::ResourceExhausted,
        ErrorKind::DataCorrupted => Code::DataLoss,
        ErrorKind::InFailedTransaction
        | ErrorKind::ActiveTransaction
        | ErrorKind::ObjectInUse
        | ErrorKind::ObjectNotInPrerequisiteState => Code::FailedPrecondition,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_fault_it_is_and_what_to_do() {
        let error =
            Error::new(ErrorKind::UndefinedObject, "adapter \"a\" does not exist").with_hint("list them");
        let status = status(&error);
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "adapter \"a\" does not exist\nHINT:  list them");
        assert_eq!(status.metadata().get("sqlstate").unwrap(), "42704");
    }

    #[test]
    fn a_cancelled_statement_is_not_an_internal_error() {
        assert_eq!(code(ErrorKind::QueryCanceled), Code::Cancelled);
        assert_eq!(code(ErrorKind::Internal), Code::Internal);
        assert_eq!(code(ErrorKind::IoError), Code::Internal);
    }
}
