//! `count_tokens(text, …)`: how many tokens a text has.

use std::sync::Arc;

use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use hyprstream_engine::Engine;

use crate::arguments::{Arguments, is_null_row, rows};
use crate::error;
use crate::identity::identity_of_engine;
use crate::parameters::COUNT_TOKENS;
use crate::settings::Settings;

/// The scalar function.
#[derive(Debug)]
pub struct CountTokens {
    engine: Arc<Engine>,
    signature: Signature,
}

impl CountTokens {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, signature: COUNT_TOKENS.signature(Volatility::Stable) }
    }
}

identity_of_engine!(CountTokens);

impl ScalarUDFImpl for CountTokens {
    fn name(&self) -> &str {
        COUNT_TOKENS.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        COUNT_TOKENS.coerce(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::of(&args.config_options);
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let counts = rows(&columns, args.number_rows).map(|values| self.count(&values?, &settings));
        let counts: Int32Array = counts.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(counts)))
    }
}

impl CountTokens {
    fn count(&self, values: &[ScalarValue], settings: &Settings) -> Result<Option<i32>> {
        if is_null_row(values, COUNT_TOKENS.required) {
            return Ok(None);
        }
        let row = Arguments::new(&COUNT_TOKENS, values);
        let model = row.name("model")?.or_else(|| settings.model());
        let text = row.text("text")?.unwrap_or_default();
        let count = self.engine.count_tokens(text, model.as_deref()).map_err(error::external)?;
        Ok(Some(count as i32))
    }
}
