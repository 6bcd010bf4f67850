//! `embed(text, …)`: the embedding of a text, a fixed-size list of f32 of length 1.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, FixedSizeListBuilder, Float32Builder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use hyprstream_engine::{EmbedRequest, Embedding, Engine};

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::parameters::{EMBED, vector_type};
use crate::settings::Settings;

/// How many texts go to the engine in one request.
const TEXTS_PER_CALL: usize = 32;

/// The scalar function. Its type depends on the model, so it knows the session's default model.
#[derive(Debug)]
pub struct Embed {
    engine: Arc<Engine>,
    default_model: Option<String>,
    signature: Signature,
}

impl Embed {
    /// The function over an engine, in a session with this default model.
    pub fn new(engine: Arc<Engine>, settings: &Settings) -> Self {
        Self { engine, default_model: settings.model(), signature: EMBED.asynchronous_signature() }
    }
}

impl PartialEq for Embed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.engine, &other.engine) && self.default_model == other.default_model
    }
}

impl Eq for Embed {}

impl Hash for Embed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.engine).hash(state);
        self.default_model.hash(state);
    }
}

impl ScalarUDFImpl for Embed {
    fn name(&self) -> &str {
        EMBED.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of embed depends on its arguments' values")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        EMBED.check(args.arg_fields)?;
        let mut values = Vec::with_capacity(EMBED.parameters.len());
        for (parameter, value) in EMBED.parameters.iter().zip(args.scalar_arguments) {
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
        let length = length(&self.engine, &values, self.default_model.as_deref())?;
        Ok(Arc::new(Field::new(EMBED.name, vector_type(length), true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("embed runs in an inference operator")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Embed {
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(TEXTS_PER_CALL)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let DataType::FixedSizeList(_, length) = args.return_field.data_type() else {
            return internal_err!("embed returns a list of fixed size");
        };
        let columns = EMBED.columns(&args.args, args.number_rows)?;
        let rows: Vec<Vec<ScalarValue>> = rows(&columns, args.number_rows).collect::<Result<_>>()?;
        let mut request = None;
        for row in rows.iter().filter(|row| !is_null_row(row, EMBED.required)) {
            let next = self::request(row, &settings)?;
            match &mut request {
                None => request = Some(next),
                Some(request) => request.texts.extend(next.texts),
            }
        }
        let embeddings = match request {
            Some(request) => self.engine.embed(request).await.map_err(error::external)?,
            None => Vec::new(),
        };
        let mut embeddings = embeddings.into_iter();
        let found =
            rows.iter().map(|row| if is_null_row(row, EMBED.required) { None } else { embeddings.next() });
        Ok(ColumnarValue::Array(vectors(found, *length)?))
    }
}

/// The engine's request for one row's text.
pub(crate) fn request(values: &[ScalarValue], settings: &Settings) -> Result<EmbedRequest> {
    let row = Arguments::new(&EMBED, values);
    Ok(EmbedRequest {
        texts: vec![row.owned_text("text")?.unwrap_or_default()],
        model: row.name("model")?.or_else(|| settings.model()),
        dimensions: row.integer("dimensions", 1..=65_536)?.map(|n| n as usize),
    })
}

/// How long the embeddings are that these arguments ask for.
pub(crate) fn length(engine: &Engine, values: &[ScalarValue], default_model: Option<&str>) -> Result<i32> {
    let row = Arguments::new(&EMBED, values);
    let model = row.name("model")?;
    let whole = engine.embedding_length(model.as_deref().or(default_model)).map_err(error::external)?;
    match row.integer("dimensions", 1..=65_536)? {
        None => Ok(whole as i32),
        Some(n) if n as usize <= whole => Ok(n as i32),
        Some(n) => {
            Err(error::argument("dimensions", n, format!("the model's embeddings have {whole} dimensions")))
        }
    }
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
