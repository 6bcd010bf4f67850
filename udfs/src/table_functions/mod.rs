//! The functions in FROM, one a file, named as in SQL.
//!
//! A function is a file with its `Function` and what it does: a [`streaming::StreamingFunction`] where its rows come as
//! the model makes them, an [`EngineSource`](crate::engine_table::source::EngineSource) where they are stored. It has an
//! entry in [`STREAMING_FUNCTIONS`] or [`STORED_FUNCTIONS`].

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

/// A function in FROM that is planned as a `P`.
#[derive(Debug)]
pub struct TableFunction<P: ?Sized> {
    /// Its name and arguments.
    pub function: Function,
    make: fn(&Arc<Engine>) -> Arc<P>,
}

/// The functions in FROM whose rows come as the model makes them. Their arguments may be columns.
pub static STREAMING_FUNCTIONS: &[TableFunction<dyn StreamingFunction>] = &[
    TableFunction {
        function: GENERATE_TABLE,
        make: |engine| Arc::new(GenerateTable::new(Arc::clone(engine))),
    },
    TableFunction { function: EMBED, make: |engine| Arc::new(EmbedTable::new(Arc::clone(engine))) },
];

/// The functions in FROM whose rows are stored. Their arguments are texts that are written out.
pub static STORED_FUNCTIONS: &[TableFunction<dyn TableFunctionImpl>] = &[
    TableFunction {
        function: ADAPTER_WEIGHTS,
        make: |engine| Arc::new(AdapterWeights::new(Arc::clone(engine))),
    },
    TableFunction { function: ADAPTER_DIFF, make: |engine| Arc::new(AdapterDiff::new(Arc::clone(engine))) },
];

/// The functions in FROM whose rows come as the model makes them.
pub fn streaming_functions(engine: &Arc<Engine>) -> Vec<Arc<dyn StreamingFunction>> {
    STREAMING_FUNCTIONS.iter().map(|entry| (entry.make)(engine)).collect()
}

/// The functions in FROM whose rows are stored, by name.
pub fn stored_functions(engine: &Arc<Engine>) -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    STORED_FUNCTIONS.iter().map(|entry| (entry.function.name, (entry.make)(engine))).collect()
}
