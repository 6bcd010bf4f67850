//! The one way that an engine's error travels through a plan.

use datafusion::error::DataFusionError;
use hyprstream_engine::Error as EngineError;

/// Wraps an engine's error, whole, so that the session can tell its kind from it.
pub fn external(error: EngineError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
