//! Python's methods on values, which templates call.

mod bounds;
mod formatting;
mod output;
mod sequences;
mod strings;

use minijinja::value::ValueKind;
use minijinja::{Error as JinjaError, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

pub(super) use bounds::{FORMAT, ITERATED, SLICE};
pub(super) use formatting::printf;
pub(super) use output::{finite_number, write_value};
pub(super) use sequences::iterated;
pub(super) use strings::replace_filter;

/// A method that is no part of a value: Python's, or one that an expression was written with.
pub(super) fn method(
    state: &State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, JinjaError> {
    if method == SLICE {
        return sequences::slice(value, args);
    }
    if let Some(text) = value.as_str() {
        return strings::method(text, method, args);
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => sequences::method(value, method, args),
        ValueKind::Map if method == "copy" => Ok(value.clone()),
        _ => unknown_method_callback(state, value, method, args),
    }
}
