//! `trajectories`: the recorded answers.

use hyprstream_engine::{TrajectoryFilter, TrajectoryRow};

use crate::tables::table::Table;

pub(super) static TRAJECTORIES: Table<TrajectoryRow> = Table {
    name: "trajectories",
    key: Some("id"),
    columns: |columns| {
        columns
            .bigint("id", |r| Some(r.id))
            .time("created_at", |r| Some(r.created_at))
            .text("session", |r| r.conversation.as_deref())
            .text("model", |r| Some(&r.model))
            .text("model_hash", |r| Some(&r.model_hash))
            .text("adapter", |r| r.adapter.as_deref())
            .text("parameters", |r| Some(&r.parameters))
            .text("prompt", |r| Some(&r.prompt))
            .text("completion", |r| Some(&r.completion))
            .token_ids("token_ids", |r| &r.token_ids)
            .reals("logprobs", |r| Some(&r.logprobs))
            .integer("prompt_tokens", |r| Some(r.prompt_tokens))
            .integer("completion_tokens", |r| Some(r.completion_tokens))
            .double("time_to_first_token_ms", |r| Some(r.time_to_first_token_ms))
            .double("total_ms", |r| Some(r.total_ms))
            .text("finish_reason", |r| Some(&r.finish_reason))
            .text("provenance", |r| Some(&r.provenance))
            .reals("embedding", |r| r.embedding.as_deref())
    },
    rows: |read| {
        read.engine.trajectories(&TrajectoryFilter {
            ids: read.scan.bounds().numbers("id"),
            conversation: read.scan.bounds().text("session").map(str::to_owned),
            newest_first: read.scan.descending(),
            embeddings: read.scan.needs("embedding"),
            limit: read.scan.rows_needed(),
        })
    },
};
