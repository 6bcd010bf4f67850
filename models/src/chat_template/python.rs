//! Python's methods on strings and dictionaries, which templates call.

use minijinja::value::from_args;
use minijinja::{Error as JinjaError, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// The library's methods, but for those whose answers differ from Python's.
pub(super) fn method(
    state: &State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, JinjaError> {
    match (value.as_str(), method) {
        // The library never comes to an end with an empty part.
        (Some(text), "count") => {
            let (part,): (&str,) = from_args(args)?;
            Ok(Value::from(text.matches(part).count()))
        }
        // The library counts bytes.
        (Some(text), "find") => {
            let (part,): (&str,) = from_args(args)?;
            Ok(Value::from(text.find(part).map_or(-1, |at| text[..at].chars().count() as i64)))
        }
        // The library finds nothing in an empty text that is no digit.
        (Some(""), "isdigit") => Ok(Value::from(false)),
        _ => unknown_method_callback(state, value, method, args),
    }
}
