//! `training_steps`: every step of every training run.

use hyprstream_engine::{Result, TrainingStepRow};

use super::columns::{Column, bigint, double, real};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct TrainingSteps;

impl Source for TrainingSteps {
    type Row = TrainingStepRow;

    const NAME: &'static str = "training_steps";

    fn columns() -> Vec<Column<TrainingStepRow>> {
        vec![
            bigint("run_id", |r: &TrainingStepRow| Some(r.run_id as i64)),
            bigint("step", |r: &TrainingStepRow| Some(r.step as i64)),
            real("epoch", |r: &TrainingStepRow| Some(r.epoch)),
            real("loss", |r: &TrainingStepRow| Some(r.loss)),
            real("val_loss", |r: &TrainingStepRow| r.val_loss),
            real("learning_rate", |r: &TrainingStepRow| Some(r.learning_rate)),
            real("grad_norm", |r: &TrainingStepRow| Some(r.grad_norm)),
            real("tokens_per_s", |r: &TrainingStepRow| Some(r.tokens_per_s)),
            double("elapsed_ms", |r: &TrainingStepRow| Some(r.elapsed_ms)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<TrainingStepRow>> {
        let run = context.narrow.number("run_id");
        Ok(Box::new(context.engine.training_steps(run)?.into_iter().map(Ok)))
    }
}
