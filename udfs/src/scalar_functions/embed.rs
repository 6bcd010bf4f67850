//! `embed(text, …)`: the embedding of a text, a fixed-size list of f32 of length 1.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, FixedSizeListBuilder, Float32Builder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::{CallContext, EmbedRequest, Embedding, Engine, Result as EngineResult};

use crate::error::external;
use crate::scalar_functions::engine_handle::EngineHandle;
use crate::scalar_functions::model_function::{ModelFunction, asynchronous};
use crate::settings::Settings;
use crate::signature::arguments::{Arguments, invalid_argument};
use crate::signature::function::{Function, parameter};
use crate::signature::kind::{Kind, vector_type};

/// The most dimensions that an embedding can be cut to.
const MAX_DIMENSIONS: i64 = 65_536;

/// `embed`, in expressions and in FROM.
pub(crate) const EMBED: Function = Function {
    name: "embed",
    parameters: &[
        parameter("text", Kind::Text),
        parameter("model", Kind::Text),
        parameter("dimensions", Kind::Integer),
    ],
    required: 1,
};

/// `embed` for a session with these settings. Its type follows the session's default model, so a session replaces it
/// when that changes.
pub fn embed(engine: &Arc<Engine>, settings: &Settings) -> ScalarUDF {
    asynchronous(Embed { engine: EngineHandle::new(engine), default_model: settings.model() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Embed {
    engine: EngineHandle,
    default_model: Option<String>,
}

#[async_trait]
impl ModelFunction for Embed {
    const FUNCTION: Function = EMBED;

    const ROWS_PER_CALL: usize = 32;

    fn value_type(&self, written: &[Option<&ScalarValue>]) -> Result<DataType> {
        planned_length(&self.engine, written, self.default_model.as_deref()).map(vector_type)
    }

    /// All rows of a call name the same model, since that decides the type.
    async fn call(
        &self,
        rows: Vec<Vec<ScalarValue>>,
        settings: &Settings,
        context: &Arc<CallContext>,
        value_type: &DataType,
    ) -> Result<ArrayRef> {
        let DataType::FixedSizeList(_, length) = value_type else {
            return internal_err!("embed returns a list of fixed size");
        };
        let requests =
            rows.iter().map(|row| request(row, settings, context)).collect::<EngineResult<Vec<_>>>();
        let requests = requests.map_err(external)?;
        let has_text: Vec<bool> = requests.iter().map(Option::is_some).collect();
        let together = requests.into_iter().flatten().reduce(|mut together, request| {
            together.texts.extend(request.texts);
            together
        });
        let embeddings = match together {
            Some(request) => self.engine.embed(request).await.map_err(external)?,
            None => Vec::new(),
        };
        let mut embeddings = embeddings.into_iter();
        let found = has_text.into_iter().map(|has_text| if has_text { embeddings.next() } else { None });
        vectors(found, *length)
    }
}

/// The engine's request for one row's text; `None` when that is NULL.
pub(crate) fn request(
    values: &[ScalarValue],
    settings: &Settings,
    context: &Arc<CallContext>,
) -> EngineResult<Option<EmbedRequest>> {
    let row = Arguments::new(&EMBED, values);
    if row.lacks_required() {
        return Ok(None);
    }
    Ok(Some(EmbedRequest {
        texts: vec![row.text("text")?.unwrap_or_default().to_owned()],
        model: row.name("model")?.map(str::to_owned).or_else(|| settings.model()),
        dimensions: dimensions(row)?,
        call: Arc::clone(context),
    }))
}

/// How long the embeddings are that a call makes, given those of its arguments that are written out.
pub(crate) fn planned_length(
    engine: &Engine,
    written: &[Option<&ScalarValue>],
    default_model: Option<&str>,
) -> Result<i32> {
    let mut values = Vec::with_capacity(EMBED.parameters.len());
    for (parameter, value) in EMBED.parameters.iter().zip(written) {
        match (parameter.name, value) {
            ("text", _) => values.push(ScalarValue::Null),
            (_, Some(value)) => values.push((*value).clone()),
            (name, None) => {
                return plan_err!(
                    "argument \"{name}\" of embed decides the type of the column, so it must be written out"
                );
            }
        }
    }
    length(engine, &values, default_model).map_err(external)
}

/// How long the embeddings are that these arguments ask for.
pub(crate) fn length(
    engine: &Engine,
    values: &[ScalarValue],
    default_model: Option<&str>,
) -> EngineResult<i32> {
    let row = Arguments::new(&EMBED, values);
    let whole = engine.embedding_length(row.name("model")?.or(default_model))?;
    match dimensions(row)? {
        None => Ok(whole as i32),
        Some(dimensions) if dimensions <= whole => Ok(dimensions as i32),
        Some(dimensions) => {
            let reason = format!("the model's embeddings have {whole} dimensions");
            Err(invalid_argument("dimensions", dimensions, reason))
        }
    }
}

fn dimensions(row: Arguments<'_>) -> EngineResult<Option<usize>> {
    Ok(row.integer_within("dimensions", 1..=MAX_DIMENSIONS)?.map(|n| n as usize))
}

/// Embeddings as an Arrow column.
pub(crate) fn vectors(rows: impl Iterator<Item = Option<Embedding>>, length: i32) -> Result<ArrayRef> {
    let item = Field::new_list_field(DataType::Float32, true);
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), length).with_field(item);
    for row in rows {
        match row {
            Some(embedding) if embedding.values.len() == length as usize => {
                builder.values().append_slice(&embedding.values);
                builder.append(true);
            }
            Some(embedding) => {
                return internal_err!("an embedding has {} values, not {length}", embedding.values.len());
            }
            None => {
                builder.values().append_nulls(length as usize);
                builder.append(false);
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}
