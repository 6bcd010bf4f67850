//! `tojson`, as templates expect it.

use std::io::{self, Write};

use minijinja::value::Kwargs;
use minijinja::{Error as JinjaError, ErrorKind, Value};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// `value|tojson`, spaced as Python's `json.dumps` does.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(super) fn to_json(value: Value, options: Kwargs) -> Result<Value, JinjaError> {
    let indent: Option<usize> = options.get("indent").unwrap_or(None);
    let failed = |error: serde_json::Error| {
        JinjaError::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
    };
    let mut out = Vec::new();
    if let Some(indent) = indent {
        let spaces = " ".repeat(indent.min(16));
        let formatter = PrettyFormatter::with_indent(spaces.as_bytes());
        value.serialize(&mut Serializer::with_formatter(&mut out, formatter)).map_err(failed)?;
    } else {
        value.serialize(&mut Serializer::with_formatter(&mut out, PythonFormatter)).map_err(failed)?;
    }
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out).into_owned()))
}

/// With a space after every comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
