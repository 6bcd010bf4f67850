//! `trajectory_tokens`: every token of the recorded answers.

use hyprstream_engine::{TrajectoryFilter, TrajectoryTokenRow};

use crate::tables::table::Table;

pub(super) static TRAJECTORY_TOKENS: Table<TrajectoryTokenRow> = Table {
    name: "trajectory_tokens",
    key: None,
    columns: |columns| {
        columns
            .bigint("trajectory_id", |r| Some(r.trajectory_id))
            .integer("index", |r| Some(r.index))
            .integer("token_id", |r| Some(r.token_id))
            .text("token", |r| r.token.as_deref())
            .real("logprob", |r| Some(r.logprob))
    },
    rows: |read| {
        read.engine.trajectory_tokens(&TrajectoryFilter {
            ids: read.scan.bounds().numbers("trajectory_id"),
            limit: read.scan.rows_needed(),
            ..TrajectoryFilter::default()
        })
    },
};
