//! What runs one client's statements.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use hyprstream_sql::{Notice, Outcome, Prepared, Session, Statement};
use pgwire::messages::Message;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::pg::cancel::{Registration, RunningStatement};
use crate::pg::error::Failure;
use crate::pg::wire::messages::Request;
use crate::pg::wire::replies;
use crate::pg::wire::transport::{FLUSH_BYTES, Input, Output};
use crate::report::Report;
use crate::stopping::Stopping;

/// The session of a client that has authenticated, the socket that answers go to, and all that can end a
/// statement early: a cancel request, a client that hangs up and a server that stops.
pub(crate) struct Backend {
    session: Arc<Session>,
    notices: Option<UnboundedReceiver<Notice>>,
    input: Input,
    output: Output,
    registration: Registration,
    stopping: Stopping,
}

impl Backend {
    pub(super) fn new(
        session: Session,
        input: Input,
        output: Output,
        registration: Registration,
        stopping: Stopping,
    ) -> Self {
        Self {
            notices: session.take_notices(),
            session: Arc::new(session),
            input,
            output,
            registration,
            stopping,
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Sends what has gathered and waits for the client's next message.
    pub(super) async fn next_request(&mut self) -> Result<Request, Failure> {
        self.output.flush().await.map_err(|_| Failure::Gone)?;
        tokio::select! {
            biased;
            request = self.input.message() => request?.ok_or(Failure::Gone),
            () = self.stopping.requested() => Err(Failure::Fatal(shutdown())),
        }
    }

    /// Marks a statement as running, so that a cancel request reaches it.
    pub(super) fn begin_statement(&self) -> RunningStatement {
        RunningStatement::begin(&self.registration.switch)
    }

    /// Plans a statement whose parameters have the `declared` types.
    pub(super) async fn prepare(
        &mut self,
        statement: &Statement,
        declared: &[Option<DataType>],
    ) -> Result<Prepared, Failure> {
        let session = Arc::clone(&self.session);
        Ok(self.attend(session.prepare(statement, declared)).await??)
    }

    /// Starts a statement; what it does until its first row is part of it.
    pub(super) async fn start(
        &mut self,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> Result<Outcome, Failure> {
        let session = Arc::clone(&self.session);
        match self.attend(session.execute(statement, parameters)).await {
            Ok(outcome) => Ok(outcome?),
            Err(failure) => {
                self.session.statement_failed();
                Err(failure)
            }
        }
    }

    /// Runs `work` for a statement. Meanwhile notices and rows are sent as they come, and the work is dropped
    /// as soon as it is cancelled, the client hangs up or the server stops.
    pub(super) async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            let flushing = !self.output.buffer.is_empty();
            tokio::select! {
                biased;
                () = self.registration.switch.cancelled() => return Err(cancelled().into()),
                () = self.input.hung_up() => return Err(Failure::Gone),
                () = self.stopping.forced() => return Err(Failure::Fatal(shutdown())),
                notice = next_notice(&mut self.notices) => {
                    replies::notice(&mut self.output.buffer, &notice.into());
                }
                value = &mut work => return Ok(value),
                flushed = self.output.flush(), if flushing => flushed.map_err(|_| Failure::Gone)?,
            }
        }
    }

    /// Appends a message to what is sent next.
    pub(super) fn reply(&mut self, message: &impl Message) {
        replies::put(&mut self.output.buffer, message);
    }

    /// Appends an error to what is sent next.
    pub(super) fn reply_error(&mut self, report: &Report) {
        replies::error(&mut self.output.buffer, report);
    }

    /// Appends the notices that are waiting, and that a statement is complete.
    pub(super) fn reply_complete(&mut self, tag: &str) {
        self.reply_notices();
        replies::command_complete(&mut self.output.buffer, tag);
    }

    /// Appends that the next statement may come.
    pub(super) fn reply_ready(&mut self) {
        self.reply(&ReadyForQuery::new(self.transaction_status()));
    }

    /// Appends the notices that are waiting.
    pub(super) fn reply_notices(&mut self) {
        while let Some(notice) = self.notices.as_mut().and_then(|notices| notices.try_recv().ok()) {
            replies::notice(&mut self.output.buffer, &notice.into());
        }
    }

    /// What is sent next, for rows to be appended to.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.output.buffer
    }

    /// Sends what has gathered, unless the statement is cancelled or the server stops meanwhile.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            flushed = self.output.flush() => flushed.map_err(|_| Failure::Gone),
            () = self.registration.switch.cancelled() => Err(cancelled().into()),
            () = self.stopping.forced() => Err(Failure::Fatal(shutdown())),
        }
    }

    /// Sends what has gathered once that is worth a packet.
    pub(super) async fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.output.buffer.len() < FLUSH_BYTES { Ok(()) } else { self.flush().await }
    }

    pub(super) fn transaction_status(&self) -> TransactionStatus {
        match self.session.transaction_status() {
            hyprstream_sql::TransactionStatus::Idle => TransactionStatus::Idle,
            hyprstream_sql::TransactionStatus::InBlock => TransactionStatus::Transaction,
            hyprstream_sql::TransactionStatus::Failed => TransactionStatus::Error,
        }
    }

    /// Ends the connection, and tells the client why where it is still there.
    pub(super) async fn close(mut self, failure: Failure) {
        if let Failure::Malformed(malformed) = &failure {
            tracing::warn!("a client's connection is closed: {malformed}");
        }
        if let Some(report) = failure.report() {
            self.reply_error(&report);
            self.output.close().await;
        }
        if let Failure::Malformed(_) = failure {
            self.input.discard().await;
        }
    }
}

async fn next_notice(notices: &mut Option<UnboundedReceiver<Notice>>) -> Notice {
    if let Some(receiver) = notices
        && let Some(notice) = receiver.recv().await
    {
        return notice;
    }
    *notices = None;
    std::future::pending().await
}

fn cancelled() -> Report {
    Report::error("57014", "canceling statement due to user request")
}

fn shutdown() -> Report {
    Report::fatal("57P01", "terminating connection due to administrator command")
}
