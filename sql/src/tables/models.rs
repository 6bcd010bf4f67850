//! `models`: the models that can answer.

use hyprstream_engine::ModelRow;

use crate::tables::table::{Table, listed};

pub(super) static MODELS: Table<ModelRow> = Table {
    name: "models",
    key: None,
    columns: |columns| {
        columns
            .text("name", |r| Some(&r.name))
            .text("architecture", |r| Some(&r.architecture).filter(|a| !a.is_empty()).map(String::as_str))
            .text("hash", |r| Some(&r.hash).filter(|h| !h.is_empty()).map(String::as_str))
            .text("path", |r| Some(&r.path))
            .bigint("parameters", |r| Some(r.parameters))
            .integer("layers", |r| Some(r.layers))
            .integer("embedding_length", |r| Some(r.embedding_length))
            .integer("vocab_size", |r| Some(r.vocab_size))
            .integer("context_length", |r| Some(r.context_length))
            .text("weights", |r| r.weights.as_deref())
            .boolean("loaded", |r| Some(r.loaded))
            .bigint("resident_bytes", |r| Some(r.resident_bytes))
            .boolean("is_default", |r| Some(r.is_default))
            .text("error", |r| r.error.as_deref())
    },
    rows: |read| Ok(listed(read.engine.models()?)),
};
