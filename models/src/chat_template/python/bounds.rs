//! The names that expressions are written with, and how much a method may make.

use std::borrow::Cow;

use minijinja::{Error as JinjaError, ErrorKind};

/// The method that a slice is: `text[1:-1]` is `text.slice__(1, -1)`.
pub(in crate::chat_template) const SLICE: &str = "slice__";
/// The method that `%` is on a text.
pub(in crate::chat_template) const FORMAT: &str = "format__";
/// The filter through which a loop takes its values.
pub(in crate::chat_template) const ITERATED: &str = "iterated__";

/// The longest text that a method makes of a shorter one, in bytes.
const LONGEST: usize = 64 << 20;

/// An error of whoever wrote the template.
pub(super) fn refused(reason: impl Into<Cow<'static, str>>) -> JinjaError {
    JinjaError::new(ErrorKind::InvalidOperation, reason)
}

/// Refuses to make a text that is longer than any prompt.
pub(super) fn check_length(bytes: Option<usize>) -> Result<(), JinjaError> {
    match bytes {
        Some(bytes) if bytes <= LONGEST => Ok(()),
        _ => Err(refused("the text would be too long")),
    }
}
