//! Values in binary format: network byte order, dates from 2000-01-01.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use postgres_types::Type;

use crate::values::calendar::{EPOCH_DAYS, EPOCH_MICROS};
use crate::values::encode::column::{Column, Values};
use crate::values::format::Format;
use crate::values::numeric;

impl Column {
    /// Appends the value of `row`, which is not NULL.
    pub(super) fn write_binary(&self, row: usize, out: &mut BytesMut) {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.put_u8(u8::from(values.value(row))),
            Values::Int2(values) => out.put_i16(values.value(row)),
            Values::Int4(values) => out.put_i32(values.value(row)),
            Values::Int8(values) => out.put_i64(values.value(row)),
            Values::UInt8(values) => numeric::write_binary(&values.value(row).to_string(), out),
            Values::Float4(values) => out.put_f32(values.value(row)),
            Values::Float8(values) => out.put_f64(values.value(row)),
            Values::Decimal128(values) => numeric::write_binary(&values.value_as_string(row), out),
            Values::Decimal256(values) => numeric::write_binary(&values.value_as_string(row), out),
            Values::Text(values) => out.put_slice(values.value(row).as_bytes()),
            Values::LargeText(values) => out.put_slice(values.value(row).as_bytes()),
            Values::TextView(values) => out.put_slice(values.value(row).as_bytes()),
            Values::Bytes(values) => out.put_slice(values.value(row)),
            Values::LargeBytes(values) => out.put_slice(values.value(row)),
            Values::Date(values) => out.put_i32(values.value(row).saturating_sub(EPOCH_DAYS)),
            Values::Time(values) => out.put_i64(values.value(row)),
            Values::Timestamp(values) | Values::TimestampTz(values) => {
                out.put_i64(values.value(row).saturating_sub(EPOCH_MICROS));
            }
            Values::Interval(values) => {
                let value = values.value(row);
                out.put_i64(value.nanoseconds / 1000);
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            Values::List { ranges, items, element: Some(element) } => {
                write_array(items, ranges[row].clone(), element, out);
            }
            // JSON is text in both formats; writing to a growing buffer never fails.
            Values::List { element: None, .. } | Values::Struct(_) | Values::Map { .. } => {
                let _ = self.write_json(row, out);
            }
        }
    }
}

/// Writes the items in `rows` as an array of at most one dimension, whose lower bound is 1.
fn write_array(items: &Column, rows: Range<usize>, element: &Type, out: &mut BytesMut) {
    out.put_i32(i32::from(!rows.is_empty()));
    out.put_i32(i32::from(rows.clone().any(|row| items.is_null(row))));
    out.put_u32(element.oid());
    if !rows.is_empty() {
        out.put_i32(rows.len() as i32);
        out.put_i32(1);
    }
    for row in rows {
        items.write(row, Format::Binary, out);
    }
}
