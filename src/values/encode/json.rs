//! Structs, maps and nested lists as JSON: readable in psql, and parsed by every client's json type.

use std::fmt::{self, Write};

use crate::values::encode::column::{Column, Values};

impl Column {
    /// Writes the value of `row` as JSON, `null` included.
    pub(super) fn write_json(&self, row: usize, out: &mut impl Write) -> fmt::Result {
        if self.is_null(row) {
            return out.write_str("null");
        }
        match &self.values {
            Values::Bool(values) => write!(out, "{}", values.value(row)),
            Values::Float4(values) if !values.value(row).is_finite() => out.write_str("null"),
            Values::Float8(values) if !values.value(row).is_finite() => out.write_str("null"),
            Values::Int2(_)
            | Values::Int4(_)
            | Values::Int8(_)
            | Values::UInt8(_)
            | Values::Float4(_)
            | Values::Float8(_)
            | Values::Decimal128(_)
            | Values::Decimal256(_) => self.write_text(row, out),
            Values::Struct(fields) => {
                write_members(fields.iter().map(|(name, column)| (name.clone(), column, row)), out)
            }
            Values::Map { ranges, keys, values } => {
                let items = ranges[row].clone();
                write_members(items.map(|item| (keys.text(item).unwrap_or_default(), &**values, item)), out)
            }
            Values::List { ranges, items, .. } => {
                out.write_char('[')?;
                for (index, item) in ranges[row].clone().enumerate() {
                    if index > 0 {
                        out.write_char(',')?;
                    }
                    items.write_json(item, out)?;
                }
                out.write_char(']')
            }
            _ => write_string(&self.text(row).unwrap_or_default(), out),
        }
    }
}

fn write_members<'a>(
    members: impl Iterator<Item = (String, &'a Column, usize)>,
    out: &mut impl Write,
) -> fmt::Result {
    out.write_char('{')?;
    for (index, (name, column, row)) in members.enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_string(&name, out)?;
        out.write_char(':')?;
        column.write_json(row, out)?;
    }
    out.write_char('}')
}

fn write_string(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_str(&serde_json::Value::from(text).to_string())
}
