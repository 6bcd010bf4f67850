//! A session: one connection's settings and statements.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::statement::{Notice, Outcome, Prepared, Statement, TransactionStatus};

/// Who opens a session and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// The name of the role.
    pub user: String,
    /// What the client calls itself.
    pub application_name: String,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { user: "hyprstream".to_owned(), application_name: String::new() }
    }
}

/// One connection's settings and statements. A mistake in one statement never spoils the next.
#[derive(Debug)]
pub struct Session {
    database: Arc<Database>,
    options: SessionOptions,
}

impl Session {
    pub(crate) fn try_new(database: Arc<Database>, options: SessionOptions) -> Result<Self> {
        Ok(Self { database, options })
    }

    /// The database that this session is in.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// The name of the role.
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// The statements of a text, parsed. An empty text gives one empty statement.
    pub fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        Err(Error::new(ErrorKind::FeatureNotSupported, format!("not there yet: {text}")))
    }

    /// The columns and parameter types of a statement. Types that the client named come first; `None` is inferred.
    /// Planning has no side effects, so it may run as often as a server likes.
    pub async fn prepare(&self, statement: &Statement, parameter_types: &[Option<DataType>]) -> Result<Prepared> {
        let _ = parameter_types;
        Err(Error::new(ErrorKind::FeatureNotSupported, format!("not there yet: {statement}")))
    }

    /// Runs a statement. Dropping the future or the outcome's stream cancels it within one token or one step.
    /// The `statement_timeout` setting is kept here, for every server alike.
    pub async fn execute(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<Outcome> {
        let _ = parameters;
        Err(Error::new(ErrorKind::FeatureNotSupported, format!("not there yet: {statement}")))
    }

    /// The receiver of the session's notices, which are sent while a statement runs. The first call has it.
    pub fn take_notices(&self) -> Option<UnboundedReceiver<Notice>> {
        None
    }

    /// The value of a setting, as SHOW gives it.
    pub fn setting(&self, name: &str) -> Result<String> {
        Err(Error::new(ErrorKind::UndefinedObject, format!("unrecognized configuration parameter \"{name}\"")))
    }

    /// Changes a setting of this session, as SET does: for startup parameters of a connection.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let _ = value;
        Err(Error::new(ErrorKind::UndefinedObject, format!("unrecognized configuration parameter \"{name}\"")))
    }

    /// Where the session stands with its transaction block.
    pub fn transaction_status(&self) -> TransactionStatus {
        TransactionStatus::Idle
    }

    /// Tells the session that a statement failed after `execute` gave its rows, so that an open transaction
    /// block counts as failed.
    pub fn statement_failed(&self) {}
}
