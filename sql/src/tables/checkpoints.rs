//! `checkpoints`: the weights of training runs with their optimisers' states.

use hyprstream_engine::CheckpointRow;

use crate::tables::table::{Table, listed};

pub(super) static CHECKPOINTS: Table<CheckpointRow> = Table {
    name: "checkpoints",
    key: None,
    columns: |columns| {
        columns
            .bigint("id", |r| Some(r.id))
            .bigint("run_id", |r| r.run_id)
            .text("adapter", |r| Some(&r.adapter))
            .bigint("step", |r| Some(r.step))
            .real("loss", |r| r.loss)
            .text("base_hash", |r| Some(&r.base_hash))
            .boolean("has_optimizer", |r| Some(r.has_optimizer))
            .time("created_at", |r| Some(r.created_at))
    },
    rows: |read| Ok(listed(read.engine.checkpoints()?)),
};
