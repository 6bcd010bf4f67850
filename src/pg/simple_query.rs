//! The simple protocol: a text of any number of statements.

use hyprstream_sql::{Outcome, Statement};
use pgwire::messages::response::EmptyQueryResponse;

use super::connection::Connection;
use super::errors::Failure;
use super::messages::Format;
use super::replies;
use super::rows::{Rows, command_tag};

impl Connection {
    /// Runs the statements of `text` up to the first that fails.
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), Failure> {
        self.portals.remove("");
        self.statements.remove("");
        for statement in self.session.parse(text)? {
            self.registration.switch.arm();
            let result = self.run_statement(&statement).await;
            self.registration.switch.disarm();
            result?;
        }
        Ok(())
    }

    async fn run_statement(&mut self, statement: &Statement) -> Result<(), Failure> {
        match self.start(statement, &[]).await? {
            Outcome::Rows { tag, schema, stream } => {
                let mut rows = Rows::try_new(tag, &schema, stream, |_| Format::Text)?;
                rows.describe(&mut self.output.buffer);
                self.send_rows(&mut rows, 0).await?;
                replies::command_complete(&mut self.output.buffer, &rows.tag());
            }
            Outcome::Command { tag, rows } => {
                self.pending_notices();
                replies::command_complete(&mut self.output.buffer, &command_tag(&tag, rows));
            }
            Outcome::Empty => replies::put(&mut self.output.buffer, &EmptyQueryResponse::new()),
        }
        self.flush_if_full().await
    }
}
