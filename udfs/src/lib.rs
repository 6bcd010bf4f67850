//! `generate`, `embed`, `tokenize` and the other SQL functions, one a file; a file has its function's SQL name.
//!
//! [`scalar_functions`] are called in expressions, [`table_functions`] in FROM. [`signature`] is how both declare and
//! read their arguments, and [`engine_table`] is a table whose rows are read from the engine. The crate owns the one mapping
//! of the engine's errors to `DataFusion`'s. It knows nothing of sessions, statements or plans: where a call runs is
//! decided in the planner above it.

mod call;
mod engine_table;
mod error;
mod scalar_functions;
mod settings;
mod signature;
mod table_functions;

pub use call::StatementCall;
pub use engine_table::bounds::Bounds;
pub use engine_table::scan::Scan;
pub use engine_table::source::{Batches, EngineSource};
pub use engine_table::table::EngineTable;
pub use error::external;
pub use scalar_functions::embed::embed;
pub use scalar_functions::{SCALAR_FUNCTIONS, ScalarFunction, is_deterministic, scalar_functions};
pub use settings::Settings;
pub use signature::arguments::{Arguments, invalid_argument};
pub use signature::function::{Function, Parameter, parameter};
pub use signature::kind::{Kind, type_name};
pub use table_functions::streaming::{Rows, StreamingFunction};
pub use table_functions::{
    STORED_FUNCTIONS, STREAMING_FUNCTIONS, TableFunction, stored_functions, streaming_functions,
};
