//! One client's connection: its session, what it prepared, and the loop that answers its messages.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use hyprstream_sql::{Notice, Session};
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use tokio::sync::mpsc::UnboundedReceiver;

use super::cancel::Registration;
use super::errors::{Failure, Report};
use super::extended_query::{Portal, PreparedStatement};
use super::messages::Request;
use super::replies;
use super::transport::{FLUSH_BYTES, Input, Output, ReadError};
use crate::stopping::Stopping;

/// A client that has authenticated.
pub(crate) struct Connection {
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) session: Arc<Session>,
    pub(super) notices: Option<UnboundedReceiver<Notice>>,
    pub(super) registration: Registration,
    pub(super) stopping: Stopping,
    pub(super) statements: HashMap<String, Arc<PreparedStatement>>,
    pub(super) portals: HashMap<String, Portal>,
    /// After an error in the extended protocol, messages are discarded until a Sync.
    pub(super) skip_until_sync: bool,
}

impl Connection {
    pub(crate) fn new(
        input: Input,
        output: Output,
        session: Session,
        registration: Registration,
        stopping: Stopping,
    ) -> Self {
        Self {
            input,
            output,
            notices: session.take_notices(),
            session: Arc::new(session),
            registration,
            stopping,
            statements: HashMap::new(),
            portals: HashMap::new(),
            skip_until_sync: false,
        }
    }

    /// Answers messages until the client leaves or the server stops.
    pub(crate) async fn run(mut self) {
        self.ready_for_query();
        loop {
            if self.output.flush().await.is_err() {
                return;
            }
            let message = tokio::select! {
                biased;
                message = self.input.message() => message,
                () = self.stopping.requested() => {
                    return self.close_with(&shutdown()).await;
                }
            };
            let handled = match message {
                Ok(None | Some(Request::Message(Message::Terminate(_)))) | Err(ReadError::Io(_)) => return,
                Err(ReadError::Malformed(malformed)) => {
                    tracing::warn!("a client's connection is closed: {malformed}");
                    self.close_with(&Report::fatal("08P01", malformed.to_string())).await;
                    return self.input.discard().await;
                }
                Ok(Some(Request::Message(message))) => self.handle(message).await,
                Ok(Some(Request::FunctionCall)) => {
                    let refused = Report::error("0A000", "the function call protocol is not supported")
                        .with_hint("call the function in a SELECT");
                    self.finish(Err(refused.into())).await
                }
            };
            match handled {
                Ok(()) => {}
                Err(Failure::Statement(report) | Failure::Fatal(report)) => {
                    return self.close_with(&report).await;
                }
                Err(Failure::Gone) => return,
            }
        }
    }

    /// Answers one message. Errors of statements are answered here; what is returned ends the connection.
    async fn handle(&mut self, message: Message) -> Result<(), Failure> {
        let extended = message.is_extended_query();
        let result = match message {
            Message::Query(query) => {
                self.skip_until_sync = false;
                let result = self.simple_query(&query.query).await;
                return self.finish(result).await;
            }
            Message::Sync(_) => {
                self.skip_until_sync = false;
                return self.finish(Ok(())).await;
            }
            _ if extended && self.skip_until_sync => Ok(()),
            Message::Parse(parse) => self.parse(parse).await,
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(describe) => self.describe(&describe),
            Message::Execute(execute) => self.execute(execute).await,
            Message::Close(close) => {
                self.close(&close);
                Ok(())
            }
            Message::Flush(_) => self.flush().await,
            // A client whose COPY was refused may still send its data, as Postgres allows.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(Failure::Fatal(Report::fatal("08P01", "unexpected password message"))),
        };
        match result {
            Err(Failure::Statement(report)) if extended => {
                self.skip_until_sync = true;
                replies::error(&mut self.output.buffer, &report);
                self.flush().await
            }
            result => result,
        }
    }

    /// Ends a query cycle: the error if there was one, then `ReadyForQuery`.
    async fn finish(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => {}
            Err(Failure::Statement(report)) => replies::error(&mut self.output.buffer, &report),
            Err(failure) => return Err(failure),
        }
        self.pending_notices();
        if self.transaction_status() == TransactionStatus::Idle {
            self.portals.clear();
        }
        self.ready_for_query();
        self.flush().await
    }

    fn ready_for_query(&mut self) {
        let status = self.transaction_status();
        replies::put(&mut self.output.buffer, &ReadyForQuery::new(status));
    }

    fn transaction_status(&self) -> TransactionStatus {
        match self.session.transaction_status() {
            hyprstream_sql::TransactionStatus::Idle => TransactionStatus::Idle,
            hyprstream_sql::TransactionStatus::InBlock => TransactionStatus::Transaction,
            hyprstream_sql::TransactionStatus::Failed => TransactionStatus::Error,
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

    /// Sends what has gathered, unless the statement is cancelled or the client hangs up meanwhile.
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

    /// Writes the notices that are waiting.
    pub(super) fn pending_notices(&mut self) {
        while let Some(notice) = self.notices.as_mut().and_then(|notices| notices.try_recv().ok()) {
            replies::notice(&mut self.output.buffer, &notice.into());
        }
    }

    async fn close_with(&mut self, report: &Report) {
        replies::error(&mut self.output.buffer, report);
        self.output.close().await;
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
