//! `score(prompt, completion, …)`: the sum of a completion's log-probabilities, in nats.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use hyprstream_engine::{Engine, ScoreRequest};

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::identity::identity_of_engine;
use crate::parameters::SCORE;
use crate::settings::Settings;

/// The scalar function.
#[derive(Debug)]
pub struct Score {
    engine: Arc<Engine>,
    signature: Signature,
}

impl Score {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, signature: SCORE.asynchronous_signature() }
    }
}

identity_of_engine!(Score);

impl ScalarUDFImpl for Score {
    fn name(&self) -> &str {
        SCORE.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        SCORE.check(args.arg_fields)?;
        Ok(Arc::new(Field::new(SCORE.name, DataType::Float64, true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("score runs in an inference operator")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Score {
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(1)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let columns = SCORE.columns(&args.args, args.number_rows)?;
        let mut scores = Vec::with_capacity(args.number_rows);
        for values in rows(&columns, args.number_rows) {
            let values = values?;
            if is_null_row(&values, SCORE.required) {
                scores.push(None);
                continue;
            }
            let request = request(&values, &settings)?;
            scores.push(Some(self.engine.score(request).await.map_err(error::external)?.logprob));
        }
        Ok(ColumnarValue::Array(Arc::new(Float64Array::from(scores))))
    }
}

fn request(values: &[ScalarValue], settings: &Settings) -> Result<ScoreRequest> {
    let row = Arguments::new(&SCORE, values);
    Ok(ScoreRequest {
        prompt: row.owned_text("prompt")?.unwrap_or_default(),
        completion: row.owned_text("completion")?.unwrap_or_default(),
        model: row.name("model")?.or_else(|| settings.model()),
        adapter: row.name("adapter")?,
        raw: row.boolean("raw")?.unwrap_or(false),
    })
}
