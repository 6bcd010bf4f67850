//! `generate(prompt, …)`: the text that a model answers with.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanBufferBuilder, Int32Builder, Int64Builder, StringArray, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::limits::MAX_TOKENS;
use hyprstream_engine::{
    CallContext, Completion, Engine, Error as EngineError, GenerateRequest, Result as EngineResult,
    SamplingOptions,
};

use crate::error::external;
use crate::scalar_functions::engine_handle::EngineHandle;
use crate::scalar_functions::model_function::{ModelFunction, asynchronous};
use crate::settings::Settings;
use crate::signature::arguments::Arguments;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `generate` in expressions: the arguments of a request, then those that shape the value.
pub(crate) const GENERATE: Function = Function {
    name: "generate",
    parameters: &[
        parameter("prompt", Kind::Text),
        parameter("model", Kind::Text),
        parameter("adapter", Kind::Text),
        parameter("max_tokens", Kind::Integer),
        parameter("temperature", Kind::Float),
        parameter("top_p", Kind::Float),
        parameter("top_k", Kind::Integer),
        parameter("min_p", Kind::Float),
        parameter("seed", Kind::Integer),
        parameter("stop", Kind::Texts),
        parameter("system", Kind::Text),
        parameter("session", Kind::Text),
        parameter("raw", Kind::Boolean),
        parameter("details", Kind::Boolean),
        parameter("fail_on_error", Kind::Boolean),
    ],
    required: 1,
};

/// How many of the first arguments make the request: all but `details` and `fail_on_error`.
pub(crate) const REQUEST_PARAMETERS: usize = GENERATE.parameters.len() - 2;

pub(super) fn generate(engine: &Arc<Engine>) -> ScalarUDF {
    asynchronous(Generate { engine: EngineHandle::new(engine) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Generate {
    engine: EngineHandle,
}

#[async_trait]
impl ModelFunction for Generate {
    const FUNCTION: Function = GENERATE;

    fn value_type(&self, written: &[Option<&ScalarValue>]) -> Result<DataType> {
        match GENERATE.position("details").and_then(|i| written.get(i)) {
            None | Some(Some(ScalarValue::Boolean(None | Some(false)) | ScalarValue::Null)) => {
                Ok(DataType::Utf8)
            }
            Some(Some(ScalarValue::Boolean(Some(true)))) => Ok(DataType::Struct(details_fields())),
            Some(_) => plan_err!("argument \"details\" of generate must be true or false, written out"),
        }
    }

    async fn call(
        &self,
        rows: Vec<Vec<ScalarValue>>,
        settings: &Settings,
        context: &Arc<CallContext>,
        value_type: &DataType,
    ) -> Result<ArrayRef> {
        let mut answers = Vec::with_capacity(rows.len());
        for row in &rows {
            answers.push(self.answer(row, settings, context).await.map_err(external)?);
        }
        match value_type {
            DataType::Struct(_) => Ok(Arc::new(details_array(&answers)?)),
            _ => Ok(Arc::new(texts(&answers))),
        }
    }
}

/// The completion of one row, or the reason why it has none, where `fail_on_error => false` keeps the statement going.
type Answer = std::result::Result<Completion, String>;

impl Generate {
    /// The answer to one row; `None` when the prompt is NULL.
    async fn answer(
        &self,
        values: &[ScalarValue],
        settings: &Settings,
        context: &Arc<CallContext>,
    ) -> EngineResult<Option<Answer>> {
        let answered = match request(values, settings, context) {
            Ok(None) => return Ok(None),
            Ok(Some(request)) => self.engine.complete(request).await,
            Err(error) => Err(error),
        };
        let fails = Arguments::new(&GENERATE, values).boolean("fail_on_error")?.unwrap_or(true);
        match answered {
            Ok(completion) => Ok(Some(Ok(completion))),
            // A statement that is cancelled ends, whatever it was told to do about errors.
            Err(error) if fails || matches!(error, EngineError::Cancelled) => Err(error),
            Err(error) => Ok(Some(Err(error.to_string()))),
        }
    }
}

/// The engine's request for one row; `None` when the prompt is NULL.
pub(crate) fn request(
    values: &[ScalarValue],
    settings: &Settings,
    context: &Arc<CallContext>,
) -> EngineResult<Option<GenerateRequest>> {
    let row = Arguments::new(&GENERATE, values);
    if row.lacks_required() {
        return Ok(None);
    }
    let sampling = sampling(row, settings)?;
    let max_tokens = row.integer_within("max_tokens", 1..=i64::from(MAX_TOKENS))?;
    Ok(Some(GenerateRequest {
        prompt: row.text("prompt")?.unwrap_or_default().to_owned(),
        model: row.name("model")?.map(str::to_owned).or_else(|| settings.model()),
        adapter: row.name("adapter")?.map(str::to_owned),
        system: row.text("system")?.map(str::to_owned),
        conversation: row.name("session")?.map(str::to_owned),
        raw: row.boolean("raw")?.unwrap_or(false),
        max_tokens: max_tokens.map_or(settings.max_tokens, |n| n as u32),
        sampling,
        stop: row.texts("stop")?,
        call: Arc::clone(context),
        record: settings.record_trajectories,
    }))
}

fn sampling(row: Arguments<'_>, settings: &Settings) -> EngineResult<SamplingOptions> {
    let defaults = SamplingOptions::default();
    Ok(SamplingOptions {
        temperature: temperature(row, settings)?,
        top_p: row.float("top_p")?.unwrap_or(defaults.top_p),
        top_k: row.integer("top_k")?.unwrap_or(defaults.top_k),
        min_p: row.float("min_p")?.unwrap_or(defaults.min_p),
        seed: row.integer("seed")?,
    })
}

fn temperature(row: Arguments<'_>, settings: &Settings) -> EngineResult<f32> {
    Ok(row.float("temperature")?.unwrap_or(settings.temperature as f32))
}

/// Whether two calls with these arguments give the same answer: at temperature 0, or with a seed. A conversation's
/// answer depends on what was said before in it.
pub(super) fn is_deterministic(values: &[ScalarValue], settings: &Settings) -> bool {
    let row = Arguments::new(&GENERATE, values);
    let is_seeded = matches!(row.integer::<u64>("seed"), Ok(Some(_)));
    let is_greedy = temperature(row, settings).is_ok_and(|temperature| temperature == 0.0);
    matches!(row.text("session"), Ok(None)) && (is_seeded || is_greedy)
}

fn texts(answers: &[Option<Answer>]) -> StringArray {
    let completions = answers.iter().map(|answer| answer.as_ref()?.as_ref().ok());
    completions.map(|completion| completion.map(|completion| completion.text.as_str())).collect()
}

/// The fields of what `details => true` returns.
fn details_fields() -> Fields {
    Fields::from(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
        Field::new("finish_reason", DataType::Utf8, true),
        Field::new("trajectory_id", DataType::Int64, true),
        Field::new("provenance", DataType::Utf8, true),
        Field::new("prompt_tokens", DataType::Int32, true),
        Field::new("completion_tokens", DataType::Int32, true),
    ])
}

fn details_array(answers: &[Option<Answer>]) -> Result<StructArray> {
    let mut text = StringBuilder::new();
    let mut error = StringBuilder::new();
    let mut finish_reason = StringBuilder::new();
    let mut trajectory_id = Int64Builder::new();
    let mut provenance = StringBuilder::new();
    let mut prompt_tokens = Int32Builder::new();
    let mut completion_tokens = Int32Builder::new();
    let mut valid = BooleanBufferBuilder::new(answers.len());
    for answer in answers {
        let failure = answer.as_ref().and_then(|answer| answer.as_ref().err());
        valid.append(answer.is_some());
        let answer = answer.as_ref().and_then(|answer| answer.as_ref().ok());
        text.append_option(answer.map(|a| a.text.as_str()));
        error.append_option(failure);
        finish_reason.append_option(answer.map(|a| a.finish_reason.to_string()));
        trajectory_id.append_option(answer.and_then(|a| a.trajectory_id).map(|id| id as i64));
        provenance.append_option(answer.map(|a| a.provenance.as_str()));
        prompt_tokens.append_option(answer.map(|a| a.prompt_tokens as i32));
        completion_tokens.append_option(answer.map(|a| a.completion_tokens as i32));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(text.finish()),
        Arc::new(error.finish()),
        Arc::new(finish_reason.finish()),
        Arc::new(trajectory_id.finish()),
        Arc::new(provenance.finish()),
        Arc::new(prompt_tokens.finish()),
        Arc::new(completion_tokens.finish()),
    ];
    Ok(StructArray::try_new(details_fields(), columns, Some(NullBuffer::new(valid.finish())))?)
}
