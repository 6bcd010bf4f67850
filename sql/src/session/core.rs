//! A session: one connection's settings and statements.

mod ddl;
mod dml;
mod parameters;
mod procedure;
mod query;
mod set;
mod stream;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use hyprstream_udfs::embed;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::classify::classify;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::functions;
use crate::parse::parse;
use crate::planner::Memo;
use crate::settings::Variables;
use crate::statement::{Notice, Outcome, Prepared, Severity, Statement, TransactionStatus};
use crate::user_tables::Pins;
use transaction::Transaction;

pub(crate) use parameters::{cast, parameter_number};

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
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Arc<Database>,
    user: String,
    number: u64,
    variables: Mutex<Variables>,
    transaction: Mutex<Transaction>,
    notices: UnboundedSender<Notice>,
    receiver: Mutex<Option<UnboundedReceiver<Notice>>>,
}

impl Session {
    pub(crate) fn try_new(database: Arc<Database>, options: SessionOptions, number: u64) -> Result<Self> {
        let mut variables = Variables::new(Arc::clone(database.engine()));
        variables.set("session_authorization", &options.user)?;
        variables.set("application_name", &options.application_name)?;
        let (notices, receiver) = unbounded_channel();
        let inner = Inner {
            database,
            user: options.user,
            number,
            variables: Mutex::new(variables),
            transaction: Mutex::default(),
            notices,
            receiver: Mutex::new(Some(receiver)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The database that this session is in.
    pub fn database(&self) -> &Arc<Database> {
        &self.inner.database
    }

    /// The name of the role.
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// The session's number, from 1, different for each session of a database.
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// The statements of a text, parsed. An empty text gives one empty statement.
    pub fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        parse(text)
    }

    /// The columns and parameter types of a statement. Types that the client named come first; `None` is inferred.
    /// Planning has no side effects, so it may run as often as a server likes.
    pub async fn prepare(
        &self,
        statement: &Statement,
        parameter_types: &[Option<DataType>],
    ) -> Result<Prepared> {
        let Some(ast) = &statement.ast else {
            return Ok(no_rows(Vec::new()));
        };
        match ast {
            Ast::Statement(inner) => match inner.as_ref() {
                SqlStatement::Call(call) => Self::prepare_call(call),
                SqlStatement::ShowVariable { variable } => self.prepare_show(variable),
                SqlStatement::CreateTable(create) => {
                    let types = self.parameters_of_rows(create, parameter_types).await?;
                    Ok(no_rows(types))
                }
                other if is_command(other) => Ok(no_rows(Vec::new())),
                _ => self.prepare_plan(ast, parameter_types).await,
            },
            Ast::Reset(_) | Ast::CreateExternalTable(_) => Ok(no_rows(Vec::new())),
            Ast::CopyTo(_) | Ast::Explain(_) => self.prepare_plan(ast, parameter_types).await,
        }
    }

    /// Runs a statement. Dropping the future or the outcome's stream cancels it within one token or one step.
    /// The `statement_timeout` setting is kept here, for every server alike.
    pub async fn execute(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<Outcome> {
        let Some(ast) = &statement.ast else {
            return Ok(Outcome::Empty);
        };
        self.transaction().expect_usable(ast)?;
        let timeout = self.variables().statement_timeout();
        let started = Instant::now();
        let running = async {
            if statement.for_all { self.alter_system(ast) } else { self.run(ast, parameters).await }
        };
        let outcome = match timeout {
            Some(timeout) => match tokio::time::timeout(timeout, running).await {
                Ok(outcome) => outcome,
                Err(_) => Err(stream::timed_out()),
            },
            None => running.await,
        };
        match outcome {
            Ok(Outcome::Rows { tag, schema, stream }) => {
                let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
                let stream = self.guarded(stream, left);
                Ok(Outcome::Rows { tag, schema, stream })
            }
            Ok(other) => Ok(other),
            Err(error) => {
                self.statement_failed();
                Err(error)
            }
        }
    }

    /// The receiver of the session's notices, which are sent while a statement runs. The first call has it.
    pub fn take_notices(&self) -> Option<UnboundedReceiver<Notice>> {
        self.inner.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The value of a setting, as SHOW gives it.
    pub fn setting(&self, name: &str) -> Result<String> {
        self.variables().get(name)
    }

    /// Changes a setting of this session, as SET does: for startup parameters of a connection.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.variables().set(name, value)
    }

    /// Where the session stands with its transaction block.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction().status()
    }

    /// Tells the session that a statement failed outside of it, so that an open transaction block counts as failed.
    /// What fails inside it, also while its rows are read, it knows already.
    pub fn statement_failed(&self) {
        self.transaction().fail();
    }

    /// What kind of error the rows of an outcome ended with.
    pub fn error(&self, error: &DataFusionError) -> Error {
        classify(error, self.inner.database.as_ref())
    }

    fn variables(&self) -> MutexGuard<'_, Variables> {
        self.inner.variables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transaction(&self) -> MutexGuard<'_, Transaction> {
        self.inner.transaction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notice(&self, severity: Severity, message: impl Into<String>) {
        if !self.variables().sends(severity) {
            return;
        }
        // Nobody may be listening any more; then there is nobody to tell.
        let _ = self.inner.notices.send(Notice { severity, message: message.into() });
    }

    /// What one statement is planned and run with.
    fn state(&self) -> Result<SessionState> {
        let variables = self.variables().clone();
        let settings = variables.for_functions(self.inner.number)?;
        let mut state = self.inner.database.state().clone();
        let register = |state: &mut SessionState, function| {
            use datafusion::execution::FunctionRegistry;
            state.register_udf(Arc::new(function)).map(|_| ()).map_err(|e| self.error(&e))
        };
        register(&mut state, embed(self.inner.database.engine(), &settings))?;
        for function in functions::of_session(&variables, &self.inner.user, self.inner.number) {
            register(&mut state, function)?;
        }
        let time_zone = variables.get("timezone")?;
        let config = state.config_mut();
        config.options_mut().extensions.insert(settings);
        config.options_mut().execution.time_zone = Some(time_zone);
        config.set_extension(Arc::new(Memo::default()));
        config.set_extension(Arc::new(Pins::default()));
        config.set_extension(Arc::new(variables));
        state.mark_start_execution();
        Ok(state)
    }

    async fn run(&self, ast: &Ast, parameters: &[ScalarValue]) -> Result<Outcome> {
        match ast {
            Ast::Statement(statement) => self.run_sql(statement, ast, parameters).await,
            Ast::CreateExternalTable(statement) => self.create_external_table(statement).await,
            Ast::Reset(ResetStatement::Variable(name)) => self.reset(&name.to_string()),
            Ast::CopyTo(statement) => self.copy_to(statement, parameters).await,
            Ast::Explain(_) => self.run_plan(ast, parameters).await,
        }
    }

    async fn run_sql(
        &self,
        statement: &SqlStatement,
        ast: &Ast,
        parameters: &[ScalarValue],
    ) -> Result<Outcome> {
        match statement {
            SqlStatement::Call(call) => self.call(call, parameters).await,
            SqlStatement::Set(set) => self.run_set(set),
            SqlStatement::ShowVariable { variable } => self.show(variable),
            SqlStatement::Discard { object_type } => Ok(self.discard(*object_type)),
            SqlStatement::StartTransaction { .. } => Ok(self.begin()),
            SqlStatement::Commit { .. } => Ok(self.commit()),
            SqlStatement::Rollback { savepoint: None, .. } => Ok(self.rollback()),
            SqlStatement::Rollback { .. }
            | SqlStatement::Savepoint { .. }
            | SqlStatement::ReleaseSavepoint { .. } => Err(unsupported("SAVEPOINT")),
            SqlStatement::Prepare { .. } | SqlStatement::Execute { .. } => Err(unsupported("PREPARE")
                .with_hint("Clients prepare statements by the protocol: $1 with a value beside it.")),
            SqlStatement::Deallocate { .. } => Ok(command("DEALLOCATE")),
            SqlStatement::Close { .. } => Ok(command("CLOSE CURSOR")),
            SqlStatement::UNLISTEN { .. } => Ok(command("UNLISTEN")),
            SqlStatement::CreateTable(create) => self.create_table(create, ast, parameters).await,
            SqlStatement::Drop { .. } => self.drop_tables(statement),
            SqlStatement::Truncate(truncate) => self.truncate(truncate),
            SqlStatement::Update(update) => self.update(update, parameters).await,
            SqlStatement::Delete(delete) => self.delete(delete, parameters).await,
            SqlStatement::Insert(insert) => self.insert(insert, ast, parameters).await,
            _ => self.run_plan(ast, parameters).await,
        }
    }

    /// Remembers that a statement changed something that ROLLBACK does not undo.
    fn wrote(&self) {
        self.transaction().wrote();
    }
}

fn command(tag: &str) -> Outcome {
    Outcome::Command { tag: tag.to_owned(), rows: None }
}

fn no_rows(parameter_types: Vec<DataType>) -> Prepared {
    Prepared { schema: Arc::new(Schema::empty()), parameter_types, is_query: false }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported in this version"))
}

/// Statements that are not planned.
fn is_command(statement: &SqlStatement) -> bool {
    matches!(
        statement,
        SqlStatement::Set(_)
            | SqlStatement::Discard { .. }
            | SqlStatement::StartTransaction { .. }
            | SqlStatement::Commit { .. }
            | SqlStatement::Rollback { .. }
            | SqlStatement::Savepoint { .. }
            | SqlStatement::ReleaseSavepoint { .. }
            | SqlStatement::Prepare { .. }
            | SqlStatement::Execute { .. }
            | SqlStatement::Deallocate { .. }
            | SqlStatement::Close { .. }
            | SqlStatement::UNLISTEN { .. }
            | SqlStatement::Drop { .. }
            | SqlStatement::Truncate(_)
    )
}
