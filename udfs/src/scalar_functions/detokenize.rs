//! `detokenize(tokens, …)`: the text of token ids.

use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::{Engine, Result};

use crate::scalar_functions::tokenizer_function::{TokenizerFunction, synchronous};
use crate::signature::arguments::invalid_argument;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `detokenize`: by the tokenizer of `model`, or else of the session's model.
pub(crate) const DETOKENIZE: Function = Function {
    name: "detokenize",
    parameters: &[parameter("tokens", Kind::Integers), parameter("model", Kind::Text)],
    required: 1,
};

static DEFINITION: TokenizerFunction<String> = TokenizerFunction {
    function: &DETOKENIZE,
    value_type: || DataType::Utf8,
    value: |engine, row, model| {
        let tokens = row.integers("tokens")?.into_iter().map(token_id).collect::<Result<Vec<u32>>>()?;
        engine.detokenize(&tokens, model)
    },
    array: |texts| Arc::new(StringArray::from(texts)),
};

pub(super) fn detokenize(engine: &Arc<Engine>) -> ScalarUDF {
    synchronous(engine, &DEFINITION)
}

fn token_id(token: Option<i64>) -> Result<u32> {
    let Some(token) = token else {
        return Err(invalid_argument("tokens", "NULL", "a token id must not be NULL"));
    };
    u32::try_from(token)
        .map_err(|_| invalid_argument("tokens", token, "a token id is between 0 and 4294967295"))
}
