//! `sessions`: the conversations.

use hyprstream_engine::{Result, SessionRow};

use super::columns::{Column, bigint, text, time};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Sessions;

impl Source for Sessions {
    type Row = SessionRow;

    const NAME: &'static str = "sessions";

    fn columns() -> Vec<Column<SessionRow>> {
        vec![
            text("name", |r: &SessionRow| Some(&r.name)),
            time("created_at", |r: &SessionRow| Some(r.created_at)),
            time("last_used_at", |r: &SessionRow| Some(r.last_used_at)),
            text("model", |r: &SessionRow| Some(&r.model)),
            bigint("turns", |r: &SessionRow| Some(r.turns as i64)),
            bigint("prompt_tokens", |r: &SessionRow| Some(r.prompt_tokens as i64)),
            bigint("completion_tokens", |r: &SessionRow| Some(r.completion_tokens as i64)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<SessionRow>> {
        Ok(Box::new(context.engine.sessions()?.into_iter().map(Ok)))
    }
}
