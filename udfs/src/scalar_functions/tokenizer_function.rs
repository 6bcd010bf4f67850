//! Functions that need a model's tokenizer alone, and so are plain functions of a row.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use hyprstream_engine::{Engine, Result as EngineResult};

use crate::error::external;
use crate::scalar_functions::engine_handle::EngineHandle;
use crate::settings::Settings;
use crate::signature::arguments::{Arguments, rows};
use crate::signature::function::Function;

/// A function that turns text into tokens, or tokens into text.
pub(super) struct TokenizerFunction<T: 'static> {
    pub(super) function: &'static Function,
    pub(super) value_type: fn() -> DataType,
    /// The value of one row, by the model of this name or the default one. A row with NULL has none.
    pub(super) value: fn(&Engine, Arguments<'_>, Option<&str>) -> EngineResult<T>,
    pub(super) array: fn(Vec<Option<T>>) -> ArrayRef,
}

/// The function over an engine as `DataFusion` plans and calls it.
pub(super) fn synchronous<T>(engine: &Arc<Engine>, function: &'static TokenizerFunction<T>) -> ScalarUDF {
    let signature = function.function.signature(Volatility::Stable);
    ScalarUDF::new_from_impl(Synchronous { engine: EngineHandle::new(engine), function, signature })
}

struct Synchronous<T: 'static> {
    engine: EngineHandle,
    function: &'static TokenizerFunction<T>,
    signature: Signature,
}

impl<T> std::fmt::Debug for Synchronous<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TokenizerFunction").field(&self.function.function.name).finish()
    }
}

impl<T> PartialEq for Synchronous<T> {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine && std::ptr::eq(self.function, other.function)
    }
}

impl<T> Eq for Synchronous<T> {}

impl<T> Hash for Synchronous<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
        self.function.function.hash(state);
    }
}

impl<T> ScalarUDFImpl for Synchronous<T> {
    fn name(&self) -> &str {
        self.function.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok((self.function.value_type)())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.function.function.coerce(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::from_options(&args.config_options);
        let default_model = settings.model();
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = rows(&columns, args.number_rows)?;
        let value = |row: &Vec<_>| {
            let row = Arguments::new(self.function.function, row);
            if row.lacks_required() {
                return Ok(None);
            }
            let model = row.name("model")?.or(default_model.as_deref());
            (self.function.value)(&self.engine, row, model).map(Some)
        };
        let values = rows.iter().map(value).collect::<EngineResult<Vec<Option<T>>>>();
        Ok(ColumnarValue::Array((self.function.array)(values.map_err(external)?)))
    }
}
