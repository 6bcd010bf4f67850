//! `trajectories`: the recorded answers.

use hyprstream_engine::{Result, TrajectoryFilter, TrajectoryRow};

use super::columns::{Column, bigint, double, integer, optional_reals, reals, text, time, token_ids};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Trajectories;

impl Source for Trajectories {
    type Row = TrajectoryRow;

    const NAME: &'static str = "trajectories";
    const KEY: Option<&'static str> = Some("id");

    fn columns() -> Vec<Column<TrajectoryRow>> {
        vec![
            bigint("id", |r: &TrajectoryRow| Some(r.id as i64)),
            time("created_at", |r: &TrajectoryRow| Some(r.created_at)),
            text("session", |r: &TrajectoryRow| r.session.as_deref()),
            text("model", |r: &TrajectoryRow| Some(&r.model)),
            text("model_hash", |r: &TrajectoryRow| Some(&r.model_hash)),
            text("adapter", |r: &TrajectoryRow| r.adapter.as_deref()),
            text("parameters", |r: &TrajectoryRow| Some(&r.parameters)),
            text("prompt", |r: &TrajectoryRow| Some(&r.prompt)),
            text("completion", |r: &TrajectoryRow| Some(&r.completion)),
            token_ids("token_ids", |r: &TrajectoryRow| &r.token_ids),
            reals("logprobs", |r: &TrajectoryRow| &r.logprobs),
            integer("prompt_tokens", |r: &TrajectoryRow| Some(r.prompt_tokens as i32)),
            integer("completion_tokens", |r: &TrajectoryRow| Some(r.completion_tokens as i32)),
            double("time_to_first_token_ms", |r: &TrajectoryRow| Some(r.time_to_first_token_ms)),
            double("total_ms", |r: &TrajectoryRow| Some(r.total_ms)),
            text("finish_reason", |r: &TrajectoryRow| Some(&r.finish_reason)),
            text("provenance", |r: &TrajectoryRow| Some(&r.provenance)),
            optional_reals("embedding", |r: &TrajectoryRow| r.embedding.as_deref()),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<TrajectoryRow>> {
        context.engine.trajectories(&TrajectoryFilter {
            ids: context.narrow.range("id"),
            session: context.narrow.text("session").map(str::to_owned),
            newest_first: context.descending,
            embeddings: context.needs("embedding"),
            limit: context.narrow.limit,
        })
    }
}
