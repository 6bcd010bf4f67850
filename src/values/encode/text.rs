//! Values in text format, letter for letter as Postgres 15 prints them.

use std::fmt::{self, Write};
use std::ops::Range;

use crate::values::encode::column::{Column, Values};
use crate::values::{array_literal, calendar};

impl Column {
    /// Writes the value of `row`, which is not NULL.
    pub(super) fn write_text(&self, row: usize, out: &mut impl Write) -> fmt::Result {
        match &self.values {
            Values::Null => Ok(()),
            Values::Bool(values) => out.write_str(if values.value(row) { "t" } else { "f" }),
            Values::Int2(values) => write!(out, "{}", values.value(row)),
            Values::Int4(values) => write!(out, "{}", values.value(row)),
            Values::Int8(values) => write!(out, "{}", values.value(row)),
            Values::UInt8(values) => write!(out, "{}", values.value(row)),
            Values::Float4(values) => write_float(&format!("{:e}", values.value(row)), 6, out),
            Values::Float8(values) => write_float(&format!("{:e}", values.value(row)), 15, out),
            Values::Decimal128(values) => out.write_str(&values.value_as_string(row)),
            Values::Decimal256(values) => out.write_str(&values.value_as_string(row)),
            Values::Text(values) => out.write_str(values.value(row)),
            Values::LargeText(values) => out.write_str(values.value(row)),
            Values::TextView(values) => out.write_str(values.value(row)),
            Values::Bytes(values) => write!(out, "\\x{}", hex::encode(values.value(row))),
            Values::LargeBytes(values) => write!(out, "\\x{}", hex::encode(values.value(row))),
            Values::Date(values) => calendar::write_date(values.value(row), out),
            Values::Time(values) => calendar::write_time(values.value(row), out),
            Values::Timestamp(values) => calendar::write_timestamp(values.value(row), false, out),
            Values::TimestampTz(values) => calendar::write_timestamp(values.value(row), true, out),
            Values::Interval(values) => {
                let value = values.value(row);
                calendar::write_interval(value.months, value.days, value.nanoseconds, out)
            }
            Values::List { ranges, items, element: Some(_) } => write_array(items, ranges[row].clone(), out),
            Values::List { element: None, .. } | Values::Struct(_) | Values::Map { .. } => {
                self.write_json(row, out)
            }
        }
    }
}

/// A float from its shortest digits in scientific notation (`1.25e-7`), which Postgres keeps only for
/// exponents below -4 or from `fixed_digits` up.
fn write_float(scientific: &str, fixed_digits: i32, out: &mut impl Write) -> fmt::Result {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return out.write_str(match scientific {
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            _ => "NaN",
        });
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= fixed_digits {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    out.write_str(sign)?;
    match usize::try_from(exponent) {
        Ok(exponent) if digits.len() <= exponent + 1 => {
            write!(out, "{digits}{}", "0".repeat(exponent + 1 - digits.len()))
        }
        Ok(exponent) => {
            let (whole, fraction) = digits.split_at(exponent + 1);
            write!(out, "{whole}.{fraction}")
        }
        Err(_) => write!(out, "0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
    }
}

/// `{1,NULL,"two words"}`
fn write_array(items: &Column, rows: Range<usize>, out: &mut impl Write) -> fmt::Result {
    out.write_char('{')?;
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        match &items.values {
            _ if items.is_null(row) => out.write_str("NULL")?,
            Values::Int2(_)
            | Values::Int4(_)
            | Values::Int8(_)
            | Values::UInt8(_)
            | Values::Float4(_)
            | Values::Float8(_)
            | Values::Bool(_)
            | Values::Decimal128(_)
            | Values::Decimal256(_)
            | Values::Date(_)
            | Values::Time(_) => items.write_text(row, out)?,
            _ => {
                let mut text = String::new();
                items.write_text(row, &mut text)?;
                array_literal::write_item(&text, out)?;
            }
        }
    }
    out.write_char('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_like_postgres() {
        let real = |value: f32| {
            let mut text = String::new();
            write_float(&format!("{value:e}"), 6, &mut text).unwrap();
            text
        };
        let double = |value: f64| {
            let mut text = String::new();
            write_float(&format!("{value:e}"), 15, &mut text).unwrap();
            text
        };
        // Each right side is what `SELECT value::float8` or `::float4` prints in PostgreSQL 15.
        assert_eq!(double(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(double(1e15), "1e+15");
        assert_eq!(double(123_456_789_012_345.0), "123456789012345");
        assert_eq!(double(0.0001), "0.0001");
        assert_eq!(double(0.00001), "1e-05");
        assert_eq!(double(-2.5), "-2.5");
        assert_eq!(double(0.0), "0");
        assert_eq!(double(-0.0), "-0");
        assert_eq!(double(100.0), "100");
        assert_eq!(double(f64::NEG_INFINITY), "-Infinity");
        assert_eq!(double(f64::NAN), "NaN");
        assert_eq!(real(1_234_567.0), "1.234567e+06");
        assert_eq!(real(123_456.0), "123456");
        assert_eq!(real(0.1), "0.1");
    }
}
