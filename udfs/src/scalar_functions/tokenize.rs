//! `tokenize(text, …)`: the ids of a text's tokens, as an array.

use std::sync::Arc;

use datafusion::arrow::array::{Int32Builder, ListBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::Engine;

use crate::scalar_functions::tokenizer_function::{TokenizerFunction, synchronous};
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `tokenize`: by the tokenizer of `model`, or else of the session's model.
pub(crate) const TOKENIZE: Function = Function {
    name: "tokenize",
    parameters: &[parameter("text", Kind::Text), parameter("model", Kind::Text)],
    required: 1,
};

static DEFINITION: TokenizerFunction<Vec<u32>> = TokenizerFunction {
    function: &TOKENIZE,
    value_type: || DataType::new_list(DataType::Int32, true),
    value: |engine, row, model| engine.tokenize(row.text("text")?.unwrap_or_default(), model),
    array: |values| {
        let mut lists = ListBuilder::new(Int32Builder::new());
        for tokens in values {
            lists.append_option(tokens.map(|tokens| tokens.into_iter().map(|id| Some(id as i32))));
        }
        Arc::new(lists.finish())
    },
};

pub(super) fn tokenize(engine: &Arc<Engine>) -> ScalarUDF {
    synchronous(engine, &DEFINITION)
}
