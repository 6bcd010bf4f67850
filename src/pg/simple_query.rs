//! The simple protocol: a text of any number of statements.

use hyprstream_sql::{Outcome, Statement};
use pgwire::messages::response::EmptyQueryResponse;

use crate::pg::backend::Backend;
use crate::pg::error::Failure;
use crate::pg::rows::Rows;
use crate::values::command_tag::command_tag;
use crate::values::format::Format;

/// Runs the statements of `text` up to the first that fails.
pub(super) async fn run(backend: &mut Backend, text: &str) -> Result<(), Failure> {
    for statement in backend.session().parse(text)? {
        let _running = backend.begin_statement();
        run_statement(backend, &statement).await?;
    }
    Ok(())
}

async fn run_statement(backend: &mut Backend, statement: &Statement) -> Result<(), Failure> {
    match backend.start(statement, &[]).await? {
        Outcome::Rows { tag, schema, stream } => {
            let mut rows = Rows::try_new(tag, &schema, stream, |_| Format::Text)?;
            backend.reply(&rows.description());
            rows.send(backend, 0).await?;
            backend.reply_complete(&rows.take_tag());
        }
        Outcome::Command { tag, rows } => backend.reply_complete(&command_tag(&tag, rows)),
        Outcome::Empty => backend.reply(&EmptyQueryResponse::new()),
    }
    backend.flush_if_full().await
}
