//! The functions in FROM, one a file, named as in SQL.
//!
//! A function whose rows come as the model makes them implements [`streaming::StreamingFunction`]; it has a file with
//! its `Function`, a line in [`streaming_functions`] and one in [`TABLE_FUNCTIONS`]. One over stored data is an
//! [`EngineSource`](crate::engine_table::source::EngineSource) whose function the session registers by itself.

pub(crate) mod adapter_diff;
pub(crate) mod adapter_weights;
pub(crate) mod embed;
pub(crate) mod generate;
pub(crate) mod streaming;
mod weights;

use std::sync::Arc;

use hyprstream_engine::Engine;

use crate::scalar_functions::embed::EMBED;
use crate::signature::function::Function;
use adapter_diff::ADAPTER_DIFF;
use adapter_weights::ADAPTER_WEIGHTS;
use embed::EmbedTable;
use generate::{GENERATE_TABLE, GenerateTable};
use streaming::StreamingFunction;

/// Every table function.
pub const TABLE_FUNCTIONS: &[Function] = &[GENERATE_TABLE, EMBED, ADAPTER_WEIGHTS, ADAPTER_DIFF];

/// The functions in FROM whose rows come as the model makes them.
pub fn streaming_functions(engine: &Arc<Engine>) -> Vec<Arc<dyn StreamingFunction>> {
    vec![Arc::new(GenerateTable::new(Arc::clone(engine))), Arc::new(EmbedTable::new(Arc::clone(engine)))]
}
