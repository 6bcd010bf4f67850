//! `detokenize(tokens, …)`: the text of token ids.

use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use hyprstream_engine::Engine;

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::identity::identity_of_engine;
use crate::parameters::DETOKENIZE;
use crate::settings::Settings;

/// The scalar function.
#[derive(Debug)]
pub struct Detokenize {
    engine: Arc<Engine>,
    signature: Signature,
}

impl Detokenize {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, signature: DETOKENIZE.signature(Volatility::Stable) }
    }
}

identity_of_engine!(Detokenize);

impl ScalarUDFImpl for Detokenize {
    fn name(&self) -> &str {
        DETOKENIZE.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        DETOKENIZE.coerce(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = rows(&columns, args.number_rows).map(|values| self.text(&values?, &settings));
        let texts: StringArray = texts.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

impl Detokenize {
    fn text(&self, values: &[ScalarValue], settings: &Settings) -> Result<Option<String>> {
        if is_null_row(values, DETOKENIZE.required) {
            return Ok(None);
        }
        let row = Arguments::new(&DETOKENIZE, values);
        let model = row.name("model")?.or_else(|| settings.model());
        let tokens = row.integers("tokens")?.into_iter().map(token_id).collect::<Result<Vec<u32>>>()?;
        self.engine.detokenize(&tokens, model.as_deref()).map(Some).map_err(error::external)
    }
}

fn token_id(token: Option<i64>) -> Result<u32> {
    let Some(token) = token else {
        return Err(error::argument("tokens", "NULL", "a token id must not be NULL"));
    };
    u32::try_from(token)
        .map_err(|_| error::argument("tokens", token, "a token id is between 0 and 4294967295"))
}
