//! `score(prompt, completion, …)`: the sum of a completion's log-probabilities, in nats.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::{CallContext, Engine, Result as EngineResult, ScoreRequest};

use crate::error::external;
use crate::scalar_functions::engine_handle::EngineHandle;
use crate::scalar_functions::model_function::{ModelFunction, asynchronous};
use crate::settings::Settings;
use crate::signature::arguments::Arguments;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `score`: the completion as the answer to the prompt in the chat template, or with `raw` right behind the prompt.
pub(crate) const SCORE: Function = Function {
    name: "score",
    parameters: &[
        parameter("prompt", Kind::Text),
        parameter("completion", Kind::Text),
        parameter("model", Kind::Text),
        parameter("adapter", Kind::Text),
        parameter("raw", Kind::Boolean),
    ],
    required: 2,
};

pub(super) fn score(engine: &Arc<Engine>) -> ScalarUDF {
    asynchronous(Score { engine: EngineHandle::new(engine) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Score {
    engine: EngineHandle,
}

#[async_trait]
impl ModelFunction for Score {
    const FUNCTION: Function = SCORE;

    fn value_type(&self, _: &[Option<&ScalarValue>]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    async fn call(
        &self,
        rows: Vec<Vec<ScalarValue>>,
        settings: &Settings,
        context: &Arc<CallContext>,
        _: &DataType,
    ) -> Result<ArrayRef> {
        let mut scores = Vec::with_capacity(rows.len());
        for row in rows {
            scores.push(match request(&row, settings, context).map_err(external)? {
                Some(request) => Some(self.engine.score(request).await.map_err(external)?.logprob),
                None => None,
            });
        }
        Ok(Arc::new(Float64Array::from(scores)))
    }
}

/// The engine's request for one row; `None` when the prompt or the completion is NULL.
fn request(
    values: &[ScalarValue],
    settings: &Settings,
    context: &Arc<CallContext>,
) -> EngineResult<Option<ScoreRequest>> {
    let row = Arguments::new(&SCORE, values);
    if row.lacks_required() {
        return Ok(None);
    }
    Ok(Some(ScoreRequest {
        prompt: row.text("prompt")?.unwrap_or_default().to_owned(),
        completion: row.text("completion")?.unwrap_or_default().to_owned(),
        model: row.name("model")?.map(str::to_owned).or_else(|| settings.model()),
        adapter: row.name("adapter")?.map(str::to_owned),
        raw: row.boolean("raw")?.unwrap_or(false),
        call: Arc::clone(context),
    }))
}
