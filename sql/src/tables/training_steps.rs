//! `training_steps`: every step of every training run.

use hyprstream_engine::TrainingStepRow;

use crate::tables::table::{Table, listed};

pub(super) static TRAINING_STEPS: Table<TrainingStepRow> = Table {
    name: "training_steps",
    key: None,
    columns: |columns| {
        columns
            .bigint("run_id", |r| Some(r.run_id))
            .bigint("step", |r| Some(r.step))
            .real("epoch", |r| Some(r.epoch))
            .real("loss", |r| Some(r.loss))
            .real("val_loss", |r| r.val_loss)
            .real("learning_rate", |r| Some(r.learning_rate))
            .real("grad_norm", |r| Some(r.grad_norm))
            .real("tokens_per_s", |r| Some(r.tokens_per_s))
            .double("elapsed_ms", |r| Some(r.elapsed_ms))
    },
    rows: |read| {
        let run = read.scan.bounds().number("run_id");
        Ok(listed(read.engine.training_steps(run)?))
    },
};
