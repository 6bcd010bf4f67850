//! `checkpoints`: the weights of training runs with their optimisers' states.

use hyprstream_engine::{CheckpointRow, Result};

use super::columns::{Column, bigint, boolean, real, text, time};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Checkpoints;

impl Source for Checkpoints {
    type Row = CheckpointRow;

    const NAME: &'static str = "checkpoints";

    fn columns() -> Vec<Column<CheckpointRow>> {
        vec![
            bigint("id", |r: &CheckpointRow| Some(r.id as i64)),
            bigint("run_id", |r: &CheckpointRow| r.run_id.map(|id| id as i64)),
            text("adapter", |r: &CheckpointRow| Some(&r.adapter)),
            bigint("step", |r: &CheckpointRow| Some(r.step as i64)),
            real("loss", |r: &CheckpointRow| r.loss),
            text("base_hash", |r: &CheckpointRow| Some(&r.base_hash)),
            boolean("has_optimizer", |r: &CheckpointRow| Some(r.has_optimizer)),
            time("created_at", |r: &CheckpointRow| Some(r.created_at)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<CheckpointRow>> {
        Ok(Box::new(context.engine.checkpoints()?.into_iter().map(Ok)))
    }
}
