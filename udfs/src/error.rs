//! The one way that an engine's error travels through a plan.

use std::fmt::Display;

use datafusion::error::DataFusionError;
use hyprstream_engine::Error as EngineError;

/// Wraps an engine's error, whole, so that the session can tell its kind again.
pub fn external(error: EngineError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The engine's error inside a plan's error, if one is there.
pub fn engine_error(error: &DataFusionError) -> Option<&EngineError> {
    match error.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref(),
        _ => None,
    }
}

/// A named argument with a value that it does not take.
pub(crate) fn argument(
    name: &'static str,
    value: impl Display,
    reason: impl Into<String>,
) -> DataFusionError {
    external(EngineError::Argument { name, value: value.to_string(), reason: reason.into() })
}
