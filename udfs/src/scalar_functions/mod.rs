//! The functions in expressions, one a file, named as in SQL.
//!
//! A function is a file with its [`Function`] and what it does (a [`model_function::ModelFunction`] where it runs the
//! model, a [`tokenizer_function::TokenizerFunction`] where it does not), and an entry in [`SCALAR_FUNCTIONS`].
//!
//! A new parameter of `generate` is added, in this order, to
//! 1. `GENERATE` and `request` in `udfs/src/scalar_functions/generate.rs`, or `sampling` there if it concerns sampling;
//! 2. `GenerateRequest` in `engine/src/requests/generate.rs`, or `SamplingOptions` in `models/src/sampling/options.rs`;
//! 3. `check` and `parameters` in `engine/src/answering/parameters.rs`: its limits, and its part in the provenance;
//! 4. the table of arguments in `docs/sql.md`.

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

/// A function in expressions.
#[derive(Debug)]
pub struct ScalarFunction {
    /// Its name and arguments.
    pub function: Function,
    make: fn(&Arc<Engine>, &Settings) -> ScalarUDF,
    is_deterministic: fn(&[ScalarValue], &Settings) -> bool,
}

/// Every scalar function.
pub static SCALAR_FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        function: GENERATE,
        make: |engine, _| generate::generate(engine),
        is_deterministic: generate::is_deterministic,
    },
    always_the_same(EMBED, embed::embed),
    always_the_same(SCORE, |engine, _| score::score(engine)),
    always_the_same(TOKENIZE, |engine, _| tokenize::tokenize(engine)),
    always_the_same(DETOKENIZE, |engine, _| detokenize::detokenize(engine)),
    always_the_same(COUNT_TOKENS, |engine, _| count_tokens::count_tokens(engine)),
    always_the_same(SIMILARITY, |_, _| ScalarUDF::new_from_impl(Similarity::default())),
];

/// A function whose values follow from its arguments.
const fn always_the_same(
    function: Function,
    make: fn(&Arc<Engine>, &Settings) -> ScalarUDF,
) -> ScalarFunction {
    ScalarFunction { function, make, is_deterministic: |_, _| true }
}

/// Every scalar function, for a session with these settings.
pub fn scalar_functions(engine: &Arc<Engine>, settings: &Settings) -> Vec<ScalarUDF> {
    SCALAR_FUNCTIONS.iter().map(|entry| (entry.make)(engine, settings)).collect()
}

/// Whether a call of a function gives the same answer for the same arguments, so that one call can answer for many
/// rows.
pub fn is_deterministic(function: &str, arguments: &[ScalarValue], settings: &Settings) -> bool {
    let entry = SCALAR_FUNCTIONS.iter().find(|entry| entry.function.name == function);
    entry.is_some_and(|entry| (entry.is_deterministic)(arguments, settings))
}
