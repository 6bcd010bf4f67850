//! `generate`, `embed`, `tokenize` and the other SQL functions, one a file.
//!
//! This crate owns the functions and the one mapping of the engine's errors to `DataFusion`'s. It knows nothing of
//! sessions, statements or plans: where a call runs is decided in the planner above it.

mod adapter_diff;
mod adapter_weights;
mod arguments;
mod count_tokens;
mod detokenize;
mod embed;
mod embed_table;
mod error;
mod generate;
mod generate_table;
mod identity;
mod parameters;
mod score;
mod settings;
mod similarity;
mod table_function;
mod tokenize;
mod weight_table;

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use hyprstream_engine::Engine;

pub use adapter_diff::AdapterDiff;
pub use adapter_weights::AdapterWeights;
pub use count_tokens::CountTokens;
pub use detokenize::Detokenize;
pub use embed::Embed;
pub use embed_table::EmbedTable;
pub use error::{engine_error, external};
pub use generate::{Generate, details_fields};
pub use generate_table::GenerateTable;
pub use parameters::{
    ADAPTER_DIFF, ADAPTER_WEIGHTS, Function, Kind, Parameter, SCALAR_FUNCTIONS, TABLE_FUNCTIONS, type_name,
};
pub use score::Score;
pub use settings::Settings;
pub use similarity::Similarity;
pub use table_function::{Rows, StreamingFunction};
pub use tokenize::Tokenize;

/// Every scalar function, for a session with these settings.
pub fn scalar_functions(engine: &Arc<Engine>, settings: &Settings) -> Vec<ScalarUDF> {
    vec![
        AsyncScalarUDF::new(Arc::new(Generate::new(Arc::clone(engine)))).into_scalar_udf(),
        embed(engine, settings),
        AsyncScalarUDF::new(Arc::new(Score::new(Arc::clone(engine)))).into_scalar_udf(),
        ScalarUDF::new_from_impl(Tokenize::new(Arc::clone(engine))),
        ScalarUDF::new_from_impl(Detokenize::new(Arc::clone(engine))),
        ScalarUDF::new_from_impl(CountTokens::new(Arc::clone(engine))),
        ScalarUDF::new_from_impl(Similarity::default()),
    ]
}

/// `embed` alone: its type follows the session's default model, so a session replaces it when that changes.
pub fn embed(engine: &Arc<Engine>, settings: &Settings) -> ScalarUDF {
    AsyncScalarUDF::new(Arc::new(Embed::new(Arc::clone(engine), settings))).into_scalar_udf()
}

/// The functions in FROM whose rows come as the model makes them.
pub fn streaming_functions(engine: &Arc<Engine>) -> Vec<Arc<dyn StreamingFunction>> {
    vec![Arc::new(GenerateTable::new(Arc::clone(engine))), Arc::new(EmbedTable::new(Arc::clone(engine)))]
}

/// Whether a call of an asynchronous function gives the same answer for the same arguments, so that one call can
/// answer for many rows.
pub fn is_deterministic(function: &str, arguments: &[ScalarValue], settings: &Settings) -> bool {
    match function {
        "generate" => generate::is_deterministic(arguments, settings),
        "embed" | "score" => true,
        _ => false,
    }
}
