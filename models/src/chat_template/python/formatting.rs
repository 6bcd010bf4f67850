//! Formats: `'{}'.format(x)`, `'%s' % x` and `'%s' | format(x)`.

use minijinja::value::Rest;
use minijinja::{Error as JinjaError, FormatStyle, Value, format_filter};

use crate::chat_template::python::bounds::refused;

/// `text.format(…)`.
pub(super) fn str_format(text: &str, args: &[Value]) -> Result<Value, JinjaError> {
    check_widths(text)?;
    format_filter(FormatStyle::StrFormat, text, args).map(Value::from)
}

/// `text % (…)`, and the filter `format`.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(in crate::chat_template) fn printf(text: &str, args: Rest<Value>) -> Result<Value, JinjaError> {
    check_widths(text)?;
    format_filter(FormatStyle::Printf, text, &args).map(Value::from)
}

/// A width or a precision has at most four digits; the library writes as many characters as it is told.
fn check_widths(format: &str) -> Result<(), JinjaError> {
    let mut numbers = format.split(|c: char| !c.is_ascii_digit());
    if numbers.any(|digits| digits.trim_start_matches('0').len() > 4) {
        return Err(refused("a format has a number of more than four digits"));
    }
    Ok(())
}
