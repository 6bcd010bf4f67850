//! `training_runs`: the training runs.

use hyprstream_engine::{Result, TrainingRunRow};

use super::columns::{Column, bigint, real, text, time};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct TrainingRuns;

impl Source for TrainingRuns {
    type Row = TrainingRunRow;

    const NAME: &'static str = "training_runs";

    fn columns() -> Vec<Column<TrainingRunRow>> {
        vec![
            bigint("run_id", |r: &TrainingRunRow| Some(r.run_id as i64)),
            text("adapter", |r: &TrainingRunRow| Some(&r.adapter)),
            bigint("version", |r: &TrainingRunRow| r.version.map(|v| v as i64)),
            text("base_model", |r: &TrainingRunRow| Some(&r.base_model)),
            text("base_hash", |r: &TrainingRunRow| Some(&r.base_hash)),
            text("status", |r: &TrainingRunRow| Some(r.status.as_str())),
            time("started_at", |r: &TrainingRunRow| Some(r.started_at)),
            time("finished_at", |r: &TrainingRunRow| r.finished_at),
            text("data_query", |r: &TrainingRunRow| Some(&r.data_query)),
            text("dataset_hash", |r: &TrainingRunRow| Some(&r.dataset_hash)),
            text("hyperparameters", |r: &TrainingRunRow| Some(&r.hyperparameters)),
            bigint("examples", |r: &TrainingRunRow| Some(r.examples as i64)),
            bigint("skipped", |r: &TrainingRunRow| Some(r.skipped as i64)),
            bigint("steps", |r: &TrainingRunRow| Some(r.steps as i64)),
            bigint("total_steps", |r: &TrainingRunRow| Some(r.total_steps as i64)),
            real("train_loss", |r: &TrainingRunRow| r.train_loss),
            real("val_loss", |r: &TrainingRunRow| r.val_loss),
            text("error", |r: &TrainingRunRow| r.error.as_deref()),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<TrainingRunRow>> {
        Ok(Box::new(context.engine.training_runs()?.into_iter().map(Ok)))
    }
}
