//! Filters and tests that are not the library's: some of its results are as large as a template says, and some are
//! not Python's.

use minijinja::value::{Kwargs, StringInput};
use minijinja::{Environment, Error as JinjaError, ErrorKind, State, Value, filters};

use crate::chat_template::python::{ITERATED, iterated, printf, replace_filter};

/// The widest indentation, and the longest row of a list.
const WIDEST: usize = 1_000;

/// Puts the filters and tests in the place of the library's.
pub(super) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_filter("indent", indent);
    environment.add_filter("format", printf);
    environment.add_filter("replace", replace_filter);
    environment.add_filter(ITERATED, iterated);
    environment.add_test("sequence", is_sequence);
}

/// Whether a value has a length and positions, as texts and dictionaries have.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
fn is_sequence(value: Value) -> bool {
    !value.is_undefined() && !value.is_none() && value.len().is_some()
}

fn check_width(width: Option<usize>) -> Result<(), JinjaError> {
    if width.is_some_and(|width| width > WIDEST) {
        return Err(JinjaError::new(ErrorKind::InvalidOperation, "a width is at most 1000"));
    }
    Ok(())
}

fn batch(
    state: &State<'_, '_>,
    value: Value,
    count: usize,
    fill: Option<Value>,
) -> Result<Value, JinjaError> {
    check_width(Some(count))?;
    filters::batch(state, value, count, fill)
}

fn slice(
    state: &State<'_, '_>,
    value: Value,
    count: usize,
    fill: Option<Value>,
) -> Result<Value, JinjaError> {
    check_width(Some(count))?;
    filters::slice(state, value, count, fill)
}

fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<Value, JinjaError> {
    check_width(width)?;
    if options.has("width") {
        check_width(options.peek("width")?)?;
    }
    filters::indent(value, width, first, blank, options)
}
