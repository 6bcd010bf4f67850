//! `training_runs`: the training runs.

use hyprstream_engine::TrainingRunRow;

use crate::tables::table::{Table, listed};

pub(super) static TRAINING_RUNS: Table<TrainingRunRow> = Table {
    name: "training_runs",
    key: None,
    columns: |columns| {
        columns
            .bigint("run_id", |r| Some(r.run_id))
            .text("adapter", |r| Some(&r.adapter))
            .bigint("version", |r| r.version)
            .text("base_model", |r| Some(&r.base_model))
            .text("base_hash", |r| Some(&r.base_hash))
            .text("status", |r| Some(r.status.as_str()))
            .time("started_at", |r| Some(r.started_at))
            .time("finished_at", |r| r.finished_at)
            .text("data_query", |r| Some(&r.data_query))
            .text("dataset_hash", |r| Some(&r.dataset_hash))
            .text("hyperparameters", |r| Some(&r.hyperparameters))
            .bigint("examples", |r| Some(r.examples))
            .bigint("skipped", |r| Some(r.skipped))
            .bigint("steps", |r| Some(r.steps))
            .bigint("total_steps", |r| Some(r.total_steps))
            .real("train_loss", |r| r.train_loss)
            .real("val_loss", |r| r.val_loss)
            .text("error", |r| r.error.as_deref())
    },
    rows: |read| Ok(listed(read.engine.training_runs()?)),
};
