//! `sessions`: the conversations.

use hyprstream_engine::ConversationRow;

use crate::tables::table::{Table, listed};

pub(super) static SESSIONS: Table<ConversationRow> = Table {
    name: "sessions",
    key: None,
    columns: |columns| {
        columns
            .text("name", |r| Some(&r.name))
            .time("created_at", |r| Some(r.created_at))
            .time("last_used_at", |r| Some(r.last_used_at))
            .text("model", |r| Some(&r.model))
            .bigint("turns", |r| Some(r.turns))
            .bigint("prompt_tokens", |r| Some(r.prompt_tokens))
            .bigint("completion_tokens", |r| Some(r.completion_tokens))
    },
    rows: |read| Ok(listed(read.engine.conversations()?)),
};
