//! How Python prints values.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error as JinjaError, Output, State, Value, escape_formatter};

use crate::chat_template::python::bounds::refused;

/// How deep lists and dictionaries may lie in each other.
const DEEPEST: usize = 128;

/// Writes the value of an expression: lists and dictionaries as `repr` shows them.
pub(in crate::chat_template) fn write_value(
    out: &mut Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
) -> Result<(), JinjaError> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return escape_formatter(out, state, value);
    }
    let mut text = String::new();
    write_repr(&mut text, value, 0)?;
    Ok(out.write_str(&text)?)
}

fn write_repr(out: &mut String, value: &Value, depth: usize) -> Result<(), JinjaError> {
    if depth > DEEPEST {
        return Err(refused("lists and dictionaries lie too deep in each other"));
    }
    match value.kind() {
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(out, &item, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(out, &key, depth + 1)?;
                out.push_str(": ");
                write_repr(out, &value.get_item(&key)?, depth + 1)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if character < ' ' || character == '\u{7f}' => {
                // Writing into a text cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
}

/// A finite number as Python writes it.
pub(in crate::chat_template) fn finite_number(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}
