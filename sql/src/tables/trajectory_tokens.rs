//! `trajectory_tokens`: every token of the recorded answers.

use hyprstream_engine::{Result, TrajectoryFilter, TrajectoryTokenRow};

use super::columns::{Column, bigint, integer, real, text};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct TrajectoryTokens;

impl Source for TrajectoryTokens {
    type Row = TrajectoryTokenRow;

    const NAME: &'static str = "trajectory_tokens";

    fn columns() -> Vec<Column<TrajectoryTokenRow>> {
        vec![
            bigint("trajectory_id", |r: &TrajectoryTokenRow| Some(r.trajectory_id as i64)),
            integer("index", |r: &TrajectoryTokenRow| Some(r.index as i32)),
            integer("token_id", |r: &TrajectoryTokenRow| Some(r.token_id as i32)),
            text("token", |r: &TrajectoryTokenRow| r.token.as_deref()),
            real("logprob", |r: &TrajectoryTokenRow| Some(r.logprob)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<TrajectoryTokenRow>> {
        context.engine.trajectory_tokens(&TrajectoryFilter {
            ids: context.narrow.range("trajectory_id"),
            limit: context.narrow.limit,
            ..TrajectoryFilter::default()
        })
    }
}
