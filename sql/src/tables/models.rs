//! `models`: the models that can answer.

use hyprstream_engine::{ModelRow, Result};

use super::columns::{Column, bigint, boolean, integer, text};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Models;

impl Source for Models {
    type Row = ModelRow;

    const NAME: &'static str = "models";

    fn columns() -> Vec<Column<ModelRow>> {
        vec![
            text("name", |r: &ModelRow| Some(&r.name)),
            text("architecture", |r: &ModelRow| {
                Some(&r.architecture).filter(|a| !a.is_empty()).map(String::as_str)
            }),
            text("hash", |r: &ModelRow| Some(&r.hash).filter(|h| !h.is_empty()).map(String::as_str)),
            text("path", |r: &ModelRow| Some(&r.path)),
            bigint("parameters", |r: &ModelRow| Some(r.parameters as i64)),
            integer("layers", |r: &ModelRow| Some(r.layers as i32)),
            integer("embedding_length", |r: &ModelRow| Some(r.embedding_length as i32)),
            integer("vocab_size", |r: &ModelRow| Some(r.vocab_size as i32)),
            integer("context_length", |r: &ModelRow| Some(r.context_length as i32)),
            text("weights", |r: &ModelRow| r.weights.as_deref()),
            boolean("loaded", |r: &ModelRow| Some(r.loaded)),
            bigint("resident_bytes", |r: &ModelRow| Some(r.resident_bytes as i64)),
            boolean("is_default", |r: &ModelRow| Some(r.is_default)),
            text("error", |r: &ModelRow| r.error.as_deref()),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<ModelRow>> {
        Ok(Box::new(context.engine.models()?.into_iter().map(Ok)))
    }
}
