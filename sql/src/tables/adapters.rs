//! `adapters`: every version of every adapter.

use hyprstream_engine::AdapterRow;

use crate::tables::table::{Table, listed};

pub(super) static ADAPTERS: Table<AdapterRow> = Table {
    name: "adapters",
    key: None,
    columns: |columns| {
        columns
            .text("name", |r| Some(&r.name))
            .bigint("version", |r| Some(r.version))
            .texts("tags", |r| &r.tags)
            .boolean("is_latest", |r| Some(r.is_latest))
            .text("base_model", |r| Some(&r.base_model))
            .text("base_hash", |r| Some(&r.base_hash))
            .text("hash", |r| Some(&r.hash))
            .integer("rank", |r| Some(r.rank))
            .real("alpha", |r| Some(r.alpha))
            .texts("target_modules", |r| &r.target_modules)
            .bigint("parameters", |r| Some(r.parameters))
            .time("created_at", |r| Some(r.created_at))
            .bigint("run_id", |r| r.run_id)
            .text("parent", |r| r.parent.as_deref())
            .text("data_query", |r| r.data_query.as_deref())
            .text("dataset_hash", |r| r.dataset_hash.as_deref())
            .text("hyperparameters", |r| r.hyperparameters.as_deref())
            .real("train_loss", |r| r.train_loss)
            .real("val_loss", |r| r.val_loss)
    },
    rows: |read| Ok(listed(read.engine.adapters()?)),
};
