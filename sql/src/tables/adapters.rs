//! `adapters`: every version of every adapter.

use hyprstream_engine::{AdapterRow, Result};

use super::columns::{Column, bigint, boolean, integer, real, text, texts, time};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Adapters;

impl Source for Adapters {
    type Row = AdapterRow;

    const NAME: &'static str = "adapters";

    fn columns() -> Vec<Column<AdapterRow>> {
        vec![
            text("name", |r: &AdapterRow| Some(&r.name)),
            bigint("version", |r: &AdapterRow| Some(r.version as i64)),
            texts("tags", |r: &AdapterRow| &r.tags),
            boolean("is_latest", |r: &AdapterRow| Some(r.is_latest)),
            text("base_model", |r: &AdapterRow| Some(&r.base_model)),
            text("base_hash", |r: &AdapterRow| Some(&r.base_hash)),
            text("hash", |r: &AdapterRow| Some(&r.hash)),
            integer("rank", |r: &AdapterRow| Some(r.rank as i32)),
            real("alpha", |r: &AdapterRow| Some(r.alpha)),
            texts("target_modules", |r: &AdapterRow| &r.target_modules),
            bigint("parameters", |r: &AdapterRow| Some(r.parameters as i64)),
            time("created_at", |r: &AdapterRow| Some(r.created_at)),
            bigint("run_id", |r: &AdapterRow| r.run_id.map(|id| id as i64)),
            text("parent", |r: &AdapterRow| r.parent.as_deref()),
            text("data_query", |r: &AdapterRow| r.data_query.as_deref()),
            text("dataset_hash", |r: &AdapterRow| r.dataset_hash.as_deref()),
            text("hyperparameters", |r: &AdapterRow| r.hyperparameters.as_deref()),
            real("train_loss", |r: &AdapterRow| r.train_loss),
            real("val_loss", |r: &AdapterRow| r.val_loss),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<AdapterRow>> {
        let name = context.narrow.text("name").map(str::to_owned);
        let rows = context.engine.adapters()?.into_iter();
        Ok(Box::new(rows.filter(move |row| name.as_ref().is_none_or(|name| row.name == *name)).map(Ok)))
    }
}
