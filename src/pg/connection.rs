//! The loop that answers one client's messages.

use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::response::TransactionStatus;

use crate::pg::backend::Backend;
use crate::pg::error::Failure;
use crate::pg::extended_query::ExtendedQuery;
use crate::pg::simple_query;
use crate::pg::wire::messages::Request;
use crate::report::Report;

/// A client that has authenticated.
pub(crate) struct Connection {
    backend: Backend,
    extended: ExtendedQuery,
    /// After an error in the extended protocol, messages are discarded until a Sync.
    skip_until_sync: bool,
}

impl Connection {
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend, extended: ExtendedQuery::default(), skip_until_sync: false }
    }

    /// Answers messages until the client leaves or the server stops.
    pub(crate) async fn run(mut self) {
        self.backend.reply_ready();
        let failure = loop {
            let answered = match self.backend.next_request().await {
                Ok(request) => self.answer(request).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = answered {
                break failure;
            }
        };
        self.backend.close(failure).await;
    }

    /// Answers one message. Errors of statements are answered here; what is returned ends the connection.
    async fn answer(&mut self, request: Request) -> Result<(), Failure> {
        let message = match request {
            Request::Message(message) => message,
            Request::FunctionCall => {
                let refused = Report::error("0A000", "the function call protocol is not supported")
                    .with_hint("call the function in a SELECT");
                return self.end_cycle(Err(refused.into())).await;
            }
        };
        let extended = message.is_extended_query();
        let result = match message {
            Message::Terminate(_) => Err(Failure::Gone),
            Message::Query(query) => {
                self.skip_until_sync = false;
                self.extended.forget_unnamed();
                let result = simple_query::run(&mut self.backend, &query.query).await;
                return self.end_cycle(result).await;
            }
            Message::Sync(_) => {
                self.skip_until_sync = false;
                return self.end_cycle(Ok(())).await;
            }
            _ if extended && self.skip_until_sync => Ok(()),
            Message::Parse(parse) => self.extended.parse(&mut self.backend, parse).await,
            Message::Bind(bind) => self.extended.bind(&mut self.backend, bind),
            Message::Describe(describe) => self.extended.describe(&mut self.backend, &describe),
            Message::Execute(execute) => self.extended.execute(&mut self.backend, execute).await,
            Message::Close(close) => {
                self.extended.close(&mut self.backend, &close);
                Ok(())
            }
            Message::Flush(_) => self.backend.flush().await,
            // A client whose COPY was refused may still send its data, as Postgres allows.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(Failure::Fatal(Report::fatal("08P01", "unexpected password message"))),
        };
        match result {
            Err(Failure::Statement(report)) if extended => {
                self.skip_until_sync = true;
                self.backend.reply_error(&report);
                self.backend.flush().await
            }
            result => result,
        }
    }

    /// Ends a query cycle: the error if there was one, then `ReadyForQuery`.
    async fn end_cycle(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => {}
            Err(Failure::Statement(report)) => self.backend.reply_error(&report),
            Err(failure) => return Err(failure),
        }
        self.backend.reply_notices();
        if self.backend.transaction_status() == TransactionStatus::Idle {
            self.extended.forget_portals();
        }
        self.backend.reply_ready();
        self.backend.flush().await
    }
}
