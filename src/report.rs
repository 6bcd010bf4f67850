//! Errors and notices, with what Postgres clients expect to be told of them.

use hyprstream_sql::{Notice, Severity};

/// An error or notice. The Postgres server sends it as a message, the commands print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub severity: &'static str,
    pub sqlstate: &'static str,
    pub message: String,
    pub hint: Option<String>,
    /// Where in the statement's text, in characters from 1.
    pub position: Option<usize>,
}

impl Report {
    /// An error after which the connection stays usable.
    pub(crate) fn error(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "ERROR", sqlstate, message: message.into(), hint: None, position: None }
    }

    /// An error that ends the connection.
    pub(crate) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "FATAL", ..Self::error(sqlstate, message) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&hyprstream_sql::Error> for Report {
    fn from(error: &hyprstream_sql::Error) -> Self {
        Self {
            hint: error.hint().map(str::to_owned),
            position: error.position(),
            ..Self::error(error.kind().sqlstate(), error.message())
        }
    }
}

impl From<hyprstream_sql::Error> for Report {
    fn from(error: hyprstream_sql::Error) -> Self {
        Self::from(&error)
    }
}

impl From<Notice> for Report {
    fn from(notice: Notice) -> Self {
        let (severity, sqlstate) = match notice.severity {
            Severity::Warning => ("WARNING", "01000"),
            severity => (severity.as_str(), "00000"),
        };
        Self { severity, ..Self::error(sqlstate, notice.message) }
    }
}

#[cfg(test)]
mod tests {
    use hyprstream_sql::{Error, ErrorKind};

    use super::*;

    #[test]
    fn an_error_keeps_its_code_hint_and_position() {
        let error = Error::new(ErrorKind::UndefinedTable, "table \"t\" does not exist")
            .with_hint("did you mean \"u\"?")
            .with_position(15);
        let report = Report::from(&error);
        assert_eq!((report.severity, report.sqlstate), ("ERROR", "42P01"));
        assert_eq!(report.hint.as_deref(), Some("did you mean \"u\"?"));
        assert_eq!(report.position, Some(15));
    }

    #[test]
    fn the_kinds_that_clients_branch_on_have_the_codes_of_postgres() {
        let codes = [
            (ErrorKind::SyntaxError, "42601"),
            (ErrorKind::UndefinedColumn, "42703"),
            (ErrorKind::UndefinedFunction, "42883"),
            (ErrorKind::UndefinedObject, "42704"),
            (ErrorKind::InvalidParameter, "22023"),
            (ErrorKind::DuplicateTable, "42P07"),
            (ErrorKind::FeatureNotSupported, "0A000"),
            (ErrorKind::InFailedTransaction, "25P02"),
            (ErrorKind::QueryCanceled, "57014"),
            (ErrorKind::InsufficientResources, "53000"),
            (ErrorKind::StatementTooComplex, "54001"),
            (ErrorKind::DataCorrupted, "XX001"),
            (ErrorKind::Internal, "XX000"),
        ];
        for (kind, code) in codes {
            assert_eq!(Report::from(Error::new(kind, "m")).sqlstate, code, "{kind:?}");
        }
    }

    #[test]
    fn a_notice_is_no_warning() {
        let notice = |severity| Report::from(Notice { severity, message: "50 %".into() });
        assert_eq!(notice(Severity::Notice).sqlstate, "00000");
        assert_eq!(notice(Severity::Notice).severity, "NOTICE");
        assert_eq!(notice(Severity::Warning).sqlstate, "01000");
    }
}
