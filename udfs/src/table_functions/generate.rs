//! `FROM generate(prompt, …)`: a row a token, as it is decoded.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use futures::StreamExt;
use hyprstream_engine::{CallContext, Engine, GeneratedToken};

use crate::error::external;
use crate::scalar_functions::generate::{GENERATE, REQUEST_PARAMETERS, request};
use crate::settings::Settings;
use crate::signature::function::Function;
use crate::table_functions::streaming::{Rows, StreamingFunction};

/// `generate` in FROM: the scalar function's arguments without those that shape its value.
pub const GENERATE_TABLE: Function =
    Function { parameters: GENERATE.parameters.split_at(REQUEST_PARAMETERS).0, ..GENERATE };

/// The columns: a row a token.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("index", DataType::Int32, true),
        Field::new("token_id", DataType::Int32, true),
        Field::new("token", DataType::Utf8, true),
        Field::new("logprob", DataType::Float32, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("elapsed_ms", DataType::Float64, true),
    ]))
});

/// Runs calls of `generate` in FROM.
#[derive(Debug)]
pub(super) struct GenerateTable {
    engine: Arc<Engine>,
}

impl GenerateTable {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl StreamingFunction for GenerateTable {
    fn function(&self) -> &'static Function {
        &GENERATE_TABLE
    }

    fn schema(&self, _: &[Option<ScalarValue>], _: &Settings) -> Result<SchemaRef> {
        Ok(Arc::clone(&SCHEMA))
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
        let generation = self.engine.generate(request).await.map_err(external)?;
        Ok(generation.map(|token| batch(&token.map_err(external)?)).boxed())
    }
}

fn batch(token: &GeneratedToken) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![token.index as i32])),
        Arc::new(Int32Array::from(vec![token.token_id as i32])),
        Arc::new(StringArray::from(vec![token.token.as_str()])),
        Arc::new(Float32Array::from(vec![token.logprob])),
        Arc::new(StringArray::from(vec![token.text.as_str()])),
        Arc::new(Float64Array::from(vec![token.elapsed_ms])),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
