//! `FROM embed(text, …)`: the text, its embedding and how many tokens it has.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use futures::{FutureExt, StreamExt};
use hyprstream_engine::{CallContext, Engine};

use crate::error::external;
use crate::scalar_functions::embed::{EMBED, length, planned_length, request, vectors};
use crate::settings::Settings;
use crate::signature::function::Function;
use crate::signature::kind::vector_type;
use crate::table_functions::streaming::{Rows, StreamingFunction};

/// Runs calls of `embed` in FROM.
#[derive(Debug)]
pub(super) struct EmbedTable {
    engine: Arc<Engine>,
}

impl EmbedTable {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl StreamingFunction for EmbedTable {
    fn function(&self) -> &'static Function {
        &EMBED
    }

    fn schema(&self, arguments: &[Option<ScalarValue>], settings: &Settings) -> Result<SchemaRef> {
        let arguments: Vec<Option<&ScalarValue>> = arguments.iter().map(Option::as_ref).collect();
        planned_length(&self.engine, &arguments, settings.model().as_deref()).map(schema)
    }

    async fn start(
        &self,
        arguments: &[ScalarValue],
        settings: &Settings,
        context: &Arc<CallContext>,
    ) -> Result<Rows> {
        let Some(request) = request(arguments, settings, context).map_err(external)? else {
            return Ok(futures::stream::empty().boxed());
        };
        let length = length(&self.engine, arguments, settings.model().as_deref()).map_err(external)?;
        let engine = Arc::clone(&self.engine);
        let row = async move {
            let texts = StringArray::from(request.texts.clone());
            let embeddings = engine.embed(request).await.map_err(external)?;
            let tokens: Vec<i32> = embeddings.iter().map(|e| e.tokens as i32).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(texts),
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
