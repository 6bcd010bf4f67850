//! The limits of numbers that a caller gives, refused by their names.

use crate::error::{Error, Result};

/// Refuses a `value` that is not a number from `low` to `high`.
pub fn within(name: &str, value: f32, low: f32, high: f32) -> Result<()> {
    if value.is_finite() && value >= low && value <= high {
        return Ok(());
    }
    Err(Error::argument(format!("{name} is {value}; it must be between {low} and {high}")))
}

/// Refuses a count that is not from `low` to `high`.
pub fn count(name: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::argument(format!("{name} is {value}; it must be between {low} and {high}")))
}
