//! `count_tokens(text, …)`: how many tokens a text has.

use std::sync::Arc;

use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::Engine;

use crate::scalar_functions::tokenizer_function::{TokenizerFunction, synchronous};
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `count_tokens`: by the tokenizer of `model`, or else of the session's model. A chat template is not counted.
pub(crate) const COUNT_TOKENS: Function = Function {
    name: "count_tokens",
    parameters: &[parameter("text", Kind::Text), parameter("model", Kind::Text)],
    required: 1,
};

static DEFINITION: TokenizerFunction<i32> = TokenizerFunction {
    function: &COUNT_TOKENS,
    value_type: || DataType::Int32,
    value: |engine, row, model| Ok(engine.count_tokens(row.text("text")?.unwrap_or_default(), model)? as i32),
    array: |counts| Arc::new(Int32Array::from(counts)),
};

pub(super) fn count_tokens(engine: &Arc<Engine>) -> ScalarUDF {
    synchronous(engine, &DEFINITION)
}
