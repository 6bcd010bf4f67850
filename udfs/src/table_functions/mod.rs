//! The functions in FROM, one a file, named as in SQL.
//!
//! A function is a file with its `Function` and what it does: a [`streaming::StreamingFunction`] where its rows come as
//! the model makes them, an [`EngineSource`](crate::engine_table::source::EngineSource) where they are stored. It has a
//! line in [`streaming_functions`] or [`stored_functions`], and one in the list of the same kind.

mod adapter_diff;
mod adapter_weights;
mod embed;
pub(crate) mod generate;
pub(crate) mod streaming;
mod weights;

use std::sync::Arc;

use datafusion::catalog::TableFunctionImpl;
use hyprstream_engine::Engine;

use crate::scalar_functions::embed::EMBED;
use crate::signature::function::Function;
use adapter_diff::{ADAPTER_DIFF, AdapterDiff};
use adapter_weights::{ADAPTER_WEIGHTS, AdapterWeights};
use embed::EmbedTable;
use generate::{GENERATE_TABLE, GenerateTable};
use streaming::StreamingFunction;

/// The functions in FROM whose rows come as the model makes them. Their arguments may be columns.
pub const STREAMING_FUNCTIONS: &[Function] = &[GENERATE_TABLE, EMBED];

/// The functions in FROM whose rows are stored. Their arguments are texts that are written out.
pub const STORED_FUNCTIONS: &[Function] = &[ADAPTER_WEIGHTS, ADAPTER_DIFF];

/// The functions in FROM whose rows come as the model makes them.
pub fn streaming_functions(engine: &Arc<Engine>) -> Vec<Arc<dyn StreamingFunction>> {
    vec![Arc::new(GenerateTable::new(Arc::clone(engine))), Arc::new(EmbedTable::new(Arc::clone(engine)))]
}

/// The functions in FROM whose rows are stored, by name.
pub fn stored_functions(engine: &Arc<Engine>) -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    vec![
        (ADAPTER_WEIGHTS.name, Arc::new(AdapterWeights::new(Arc::clone(engine)))),
        (ADAPTER_DIFF.name, Arc::new(AdapterDiff::new(Arc::clone(engine)))),
    ]
}
