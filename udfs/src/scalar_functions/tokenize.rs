//! `tokenize(text, …)`: the ids of a text's tokens, as an array.

use std::sync::Arc;

use datafusion::arrow::array::{Int32Builder, ListBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use hyprstream_engine::Engine;

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::identity::identity_of_engine;
use crate::parameters::TOKENIZE;
use crate::settings::Settings;

/// The scalar function.
#[derive(Debug)]
pub struct Tokenize {
    engine: Arc<Engine>,
    signature: Signature,
}

impl Tokenize {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, signature: TOKENIZE.signature(Volatility::Stable) }
    }
}

identity_of_engine!(Tokenize);

impl ScalarUDFImpl for Tokenize {
    fn name(&self) -> &str {
        TOKENIZE.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::new_list(DataType::Int32, true))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        TOKENIZE.coerce(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let mut lists = ListBuilder::new(Int32Builder::new());
        for values in rows(&columns, args.number_rows) {
            match tokens(&self.engine, &values?, &settings)? {
                Some(tokens) => lists.append_value(tokens.into_iter().map(|id| Some(id as i32))),
                None => lists.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}

/// The tokens of one row's text, `None` for NULL.
pub(crate) fn tokens(
    engine: &Engine,
    values: &[ScalarValue],
    settings: &Settings,
) -> Result<Option<Vec<u32>>> {
    if is_null_row(values, TOKENIZE.required) {
        return Ok(None);
    }
    let row = Arguments::new(&TOKENIZE, values);
    let model = row.name("model")?.or_else(|| settings.model());
    let text = row.text("text")?.unwrap_or_default();
    engine.tokenize(text, model.as_deref()).map(Some).map_err(error::external)
}
