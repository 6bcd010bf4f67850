//! The session itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, SendableRecordBatchStream};
use hyprstream_engine::{CallContext, ClientId, Engine};
use hyprstream_udfs::{StatementCall, embed};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::classify::classify;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::functions;
use crate::parse::parse;
use crate::planner::memo::Memo;
use crate::session::guarded_rows::{GuardedRows, timed_out};
use crate::session::transaction::Transaction;
use crate::settings::Variables;
use crate::statement::{Notice, Severity, Statement, TransactionStatus};

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
    /// The call of the statement that this handle runs.
    call: Arc<CallContext>,
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

impl Database {
    /// A new session, with settings of its own.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Result<Session> {
        let mut variables = Variables::new(Arc::clone(self.engine()));
        variables.set("session_authorization", &options.user)?;
        variables.set("application_name", &options.application_name)?;
        let (notices, receiver) = unbounded_channel();
        let inner = Inner {
            database: Arc::clone(self),
            user: options.user,
            number: self.next_session_number(),
            variables: Mutex::new(variables),
            transaction: Mutex::default(),
            notices,
            receiver: Mutex::new(Some(receiver)),
        };
        let inner = Arc::new(inner);
        Ok(Session { call: Arc::new(inner.call()), inner })
    }
}

impl Inner {
    fn call(&self) -> CallContext {
        CallContext::new(ClientId(self.number), self.user.as_str())
    }
}

impl Session {
    /// The session to run one statement with, under a call of its own that ends at the deadline.
    pub(crate) fn for_statement(&self, deadline: Option<Instant>) -> Self {
        let call = self.inner.call();
        let call = match deadline {
            Some(deadline) => call.with_deadline(deadline),
            None => call,
        };
        Self { inner: Arc::clone(&self.inner), call: Arc::new(call) }
    }

    /// The same error, unless the engine cancelled the statement because its time was used up.
    pub(crate) fn blame_timeout(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::QueryCanceled && self.call.is_past_deadline() {
            return timed_out();
        }
        error
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

    /// The receiver of the session's notices, which are sent while a statement runs. The first call has it.
    pub fn take_notices(&self) -> Option<UnboundedReceiver<Notice>> {
        self.inner.receiver.lock().take()
    }

    /// The value of a setting, as SHOW gives it.
    pub fn setting(&self, name: &str) -> Result<String> {
        self.variables().get(name)
    }

    /// Changes a setting of this session, as SET does: for startup parameters of a connection.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.variables().set(name, value)
    }

    /// Whether the session is in a transaction block.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction().status()
    }

    /// Tells the session that a statement failed outside of it, so that an open transaction block counts as failed.
    /// Failures inside it, while it runs a statement or its rows are read, it notices by itself.
    pub fn statement_failed(&self) {
        self.transaction().fail();
    }

    /// What kind of error the rows of an outcome ended with.
    pub fn error(&self, error: &DataFusionError) -> Error {
        classify(error, self.inner.database.as_ref())
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.inner.database.engine()
    }

    pub(crate) fn variables(&self) -> MutexGuard<'_, Variables> {
        self.inner.variables.lock()
    }

    pub(crate) fn transaction(&self) -> MutexGuard<'_, Transaction> {
        self.inner.transaction.lock()
    }

    /// Remembers that a statement changed something that ROLLBACK does not undo.
    pub(crate) fn wrote(&self) {
        self.transaction().wrote();
    }

    /// Sends the client a message beside the rows, if it wants messages of this severity.
    pub(crate) fn notice(&self, severity: Severity, message: impl Into<String>) {
        if !self.variables().sends(severity) {
            return;
        }
        // Without a receiver there is no client to tell.
        let _ = self.inner.notices.send(Notice { severity, message: message.into() });
    }

    /// Sends notices while rows are read, when the session itself may be elsewhere.
    pub(crate) fn progress(&self) -> impl Fn(String) + Send + Sync + use<> {
        let session = self.clone();
        move |message| session.notice(Severity::Notice, message)
    }

    /// Rows whose errors are [`Error`]s, under a time limit, and which mark an open transaction block as failed when
    /// they fail.
    pub(crate) fn guarded(
        &self,
        rows: SendableRecordBatchStream,
        timeout: Option<Duration>,
    ) -> SendableRecordBatchStream {
        let session = self.clone();
        let failed = move |error: &DataFusionError| {
            session.statement_failed();
            session.blame_timeout(session.error(error))
        };
        Box::pin(GuardedRows::new(rows, timeout, Box::new(failed)))
    }

    /// What one statement is planned and run with.
    pub(crate) fn state(&self) -> Result<SessionState> {
        let variables = self.variables().clone();
        let settings = variables.for_functions()?;
        let mut state = self.inner.database.state().clone();
        let mut session_functions =
            functions::session_functions(&variables, &self.inner.user, self.inner.number);
        session_functions.push(embed(self.engine(), &settings));
        for function in session_functions {
            state.register_udf(Arc::new(function)).map_err(|e| self.error(&e))?;
        }
        let time_zone = variables.get("timezone")?;
        let config = state.config_mut();
        config.options_mut().extensions.insert(settings);
        config.options_mut().extensions.insert(StatementCall::new(Arc::clone(&self.call)));
        config.options_mut().execution.time_zone = Some(time_zone);
        config.set_extension(Arc::new(Memo::default()));
        config.set_extension(Arc::new(variables));
        state.mark_start_execution();
        Ok(state)
    }
}
