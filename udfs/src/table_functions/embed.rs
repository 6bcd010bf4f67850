//! `FROM embed(text, …)`: the text, its embedding and how many tokens it has.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, plan_err};
use futures::{FutureExt, StreamExt};
use hyprstream_engine::Engine;

use crate::arguments::is_null_row;
use crate::embed::{length, request, vectors};
use crate::error;
use crate::parameters::{EMBED, Function, vector_type};
use crate::settings::Settings;
use crate::table_function::{Rows, StreamingFunction};

/// The function in FROM.
#[derive(Debug)]
pub struct EmbedTable {
    engine: Arc<Engine>,
}

impl EmbedTable {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl StreamingFunction for EmbedTable {
    fn function(&self) -> &'static Function {
        &EMBED
    }

    fn schema(&self, arguments: &[Option<ScalarValue>], settings: &Settings) -> Result<SchemaRef> {
        let mut values = Vec::with_capacity(arguments.len());
        for (parameter, value) in EMBED.parameters.iter().zip(arguments) {
            match (parameter.name, value) {
                ("text", _) => values.push(ScalarValue::Null),
                (_, Some(value)) => values.push(value.clone()),
                (name, None) => {
                    return plan_err!(
                        "argument \"{name}\" of embed decides the type of the column, so it must be written out"
                    );
                }
            }
        }
        let length = length(&self.engine, &values, settings.model().as_deref())?;
        Ok(schema(length))
    }

    async fn start(&self, arguments: &[ScalarValue], settings: &Settings) -> Result<Rows> {
        if is_null_row(arguments, EMBED.required) {
            return Ok(futures::stream::empty().boxed());
        }
        let request = request(arguments, settings)?;
        let length = length(&self.engine, arguments, settings.model().as_deref())?;
        let engine = Arc::clone(&self.engine);
        let row = async move {
            let text = request.texts[0].clone();
            let embeddings = engine.embed(request).await.map_err(error::external)?;
            let tokens: Vec<i32> = embeddings.iter().map(|e| e.tokens as i32).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from(vec![text])),
                vectors(embeddings.into_iter().map(Some), length)?,
                Arc::new(Int32Array::from(tokens)),
            ];
            Ok(RecordBatch::try_new(schema(length), columns)?)
        };
        Ok(row.into_stream().boxed())
    }
}

fn schema(length: i32) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("embedding", vector_type(length), true),
        Field::new("tokens", DataType::Int32, true),
    ]))
}
