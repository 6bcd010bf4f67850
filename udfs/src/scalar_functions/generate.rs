//! `generate(prompt, …)`: the text that a model answers with.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanBufferBuilder, Int32Builder, Int64Builder, StringArray, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use hyprstream_engine::{Completion, Engine, Error as EngineError, GenerateRequest, SamplingOptions};

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::identity::identity_of_engine;
use crate::parameters::GENERATE;
use crate::settings::Settings;

const MAX_TOKENS_LIMIT: i64 = 1_000_000;
const TEMPERATURE_LIMIT: f64 = 10.0;
const STOP_LIMIT: usize = 16;

/// The scalar function.
#[derive(Debug)]
pub struct Generate {
    engine: Arc<Engine>,
    signature: Signature,
}

impl Generate {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, signature: GENERATE.asynchronous_signature() }
    }
}

identity_of_engine!(Generate);

impl ScalarUDFImpl for Generate {
    fn name(&self) -> &str {
        GENERATE.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of generate depends on its arguments' values")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        GENERATE.check(args.arg_fields)?;
        let details = GENERATE.position("details").and_then(|i| args.scalar_arguments.get(i));
        let data_type = match details {
            None | Some(Some(ScalarValue::Boolean(None | Some(false)) | ScalarValue::Null)) => DataType::Utf8,
            Some(Some(ScalarValue::Boolean(Some(true)))) => DataType::Struct(details_fields()),
            Some(_) => {
                return plan_err!("argument \"details\" of generate must be true or false, written out");
            }
        };
        Ok(Arc::new(Field::new(GENERATE.name, data_type, true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("generate runs in an inference operator")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Generate {
    /// A row is a request of its own; the operator keeps many rows going at once.
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(1)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let columns = GENERATE.columns(&args.args, args.number_rows)?;
        let mut answers = Vec::with_capacity(args.number_rows);
        for values in rows(&columns, args.number_rows) {
            answers.push(self.answer(&values?, &settings).await?);
        }
        let array: ArrayRef = match args.return_field.data_type() {
            DataType::Struct(_) => Arc::new(details_array(&answers)?),
            _ => Arc::new(texts(&answers)),
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// What a row is answered with: the completion, or why it failed, where that is not to fail the statement.
type Answer = Result<Completion, String>;

impl Generate {
    /// The answer to one row; `None` when the prompt is NULL.
    async fn answer(&self, values: &[ScalarValue], settings: &Settings) -> Result<Option<Answer>> {
        let answered = match request(values, settings) {
            Ok(None) => return Ok(None),
            Ok(Some(request)) => self.engine.complete(request).await.map_err(error::external),
            Err(error) => Err(error),
        };
        let fails = Arguments::new(&GENERATE, values).boolean("fail_on_error")?;
        match answered {
            Ok(completion) => Ok(Some(Ok(completion))),
            Err(error) if fails == Some(false) => match error::engine_error(&error) {
                // A statement that is cancelled ends.
                None | Some(EngineError::Cancelled) => Err(error),
                Some(reason) => Ok(Some(Err(reason.to_string()))),
            },
            Err(error) => Err(error),
        }
    }
}

/// The engine's request for one row; `None` when the prompt is NULL.
pub(crate) fn request(values: &[ScalarValue], settings: &Settings) -> Result<Option<GenerateRequest>> {
    if is_null_row(values, GENERATE.required) {
        return Ok(None);
    }
    let row = Arguments::new(&GENERATE, values);
    let sampling = sampling(&row, settings)?;
    let max_tokens = row.integer("max_tokens", 1..=MAX_TOKENS_LIMIT)?;
    Ok(Some(GenerateRequest {
        prompt: row.owned_text("prompt")?.unwrap_or_default(),
        model: row.name("model")?.or_else(|| settings.model()),
        adapter: row.name("adapter")?,
        system: row.owned_text("system")?,
        session: row.name("session")?,
        raw: row.boolean("raw")?.unwrap_or(false),
        max_tokens: max_tokens.map_or(settings.max_tokens, |n| n as u32),
        sampling,
        stop: stop(&row)?,
        client: settings.client,
        record: settings.record_trajectories,
    }))
}

fn sampling(row: &Arguments<'_>, settings: &Settings) -> Result<SamplingOptions> {
    let temperature = row.float("temperature", 0.0..=TEMPERATURE_LIMIT)?.unwrap_or(settings.temperature);
    let defaults = SamplingOptions::default();
    Ok(SamplingOptions {
        temperature: temperature as f32,
        top_p: row.float("top_p", 0.0..=1.0)?.map_or(defaults.top_p, |p| p as f32),
        top_k: row.integer("top_k", 0..=1_000_000)?.map_or(defaults.top_k, |k| k as u32),
        min_p: row.float("min_p", 0.0..=1.0)?.map_or(defaults.min_p, |p| p as f32),
        seed: row.integer("seed", 0..=i64::MAX)?.map(|seed| seed as u64),
    })
}

fn stop(row: &Arguments<'_>) -> Result<Vec<String>> {
    let stop = row.texts("stop")?;
    if stop.len() > STOP_LIMIT {
        let reason = format!("at most {STOP_LIMIT} texts can stop a generation");
        return Err(error::argument("stop", format!("{} texts", stop.len()), reason));
    }
    if stop.iter().any(String::is_empty) {
        return Err(error::argument("stop", "''", "an empty text would stop every generation at once"));
    }
    Ok(stop)
}

/// Whether the same call gives the same answer again: at temperature 0, or with a seed.
pub(crate) fn is_deterministic(values: &[ScalarValue], settings: &Settings) -> bool {
    let row = Arguments::new(&GENERATE, values);
    let temperature = row.float("temperature", 0.0..=TEMPERATURE_LIMIT);
    let seed = row.integer("seed", 0..=i64::MAX);
    // A session's answer depends on what was said before in it.
    let in_session = !matches!(row.text("session"), Ok(None));
    !in_session
        && (matches!(seed, Ok(Some(_)))
            || temperature.is_ok_and(|t| t.unwrap_or(settings.temperature) == 0.0))
}

fn texts(answers: &[Option<Answer>]) -> StringArray {
    let completions = answers.iter().map(|answer| answer.as_ref()?.as_ref().ok());
    completions.map(|completion| completion.map(|completion| completion.text.as_str())).collect()
}

/// The fields of what `details => true` returns.
pub fn details_fields() -> Fields {
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
