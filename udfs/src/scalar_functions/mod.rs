//! The functions in expressions, one a file, named as in SQL.
//!
//! A function is a file with its `Function` and what it does (a [`model_function::ModelFunction`] where it runs the
//! model, a [`tokenizer_function::TokenizerFunction`] where it does not), a line in [`scalar_functions`] and one in
//! [`SCALAR_FUNCTIONS`]. A generation parameter is a line in `GENERATE` and one in `generate::request`.

pub(crate) mod count_tokens;
pub(crate) mod detokenize;
pub(crate) mod embed;
mod engine_handle;
pub(crate) mod generate;
mod model_function;
pub(crate) mod score;
pub(crate) mod similarity;
pub(crate) mod tokenize;
mod tokenizer_function;

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use hyprstream_engine::Engine;

use crate::settings::Settings;
use crate::signature::function::Function;
use count_tokens::COUNT_TOKENS;
use detokenize::DETOKENIZE;
use embed::EMBED;
use generate::GENERATE;
use score::SCORE;
use similarity::{SIMILARITY, Similarity};
use tokenize::TOKENIZE;

/// Every scalar function.
pub const SCALAR_FUNCTIONS: &[Function] =
    &[GENERATE, EMBED, SCORE, TOKENIZE, DETOKENIZE, COUNT_TOKENS, SIMILARITY];

/// Every scalar function, for a session with these settings.
pub fn scalar_functions(engine: &Arc<Engine>, settings: &Settings) -> Vec<ScalarUDF> {
    vec![
        generate::generate(engine),
        embed::embed(engine, settings),
        score::score(engine),
        tokenize::tokenize(engine),
        detokenize::detokenize(engine),
        count_tokens::count_tokens(engine),
        ScalarUDF::new_from_impl(Similarity::default()),
    ]
}

/// Whether a call of a function that runs the model gives the same answer for the same arguments, so that one call can
/// answer for many rows.
pub fn is_deterministic(function: &str, arguments: &[ScalarValue], settings: &Settings) -> bool {
    match function {
        "generate" => generate::is_deterministic(arguments, settings),
        "embed" | "score" => true,
        _ => false,
    }
}
