//! Values in binary format: network byte order, dates from 2000-01-01.

use bytes::{BufMut, BytesMut};

use super::calendar::EPOCH_DAYS;
use super::{Column, Values, numeric};
use crate::pg::messages::Format;

const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

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
                write_array(items, ranges[row], *element, out);
            }
            // JSON is text in both formats; writing to a growing buffer never fails.
            Values::List { element: None, .. } | Values::Struct(_) | Values::Map { .. } => {
                let _ = self.write_json(row, out);
            }
        }
    }
}

fn write_array(items: &Column, (start, end): (usize, usize), element: u32, out: &mut BytesMut) {
    out.put_i32(i32::from(end > start));
    out.put_i32(i32::from((start..end).any(|row| items.is_null(row))));
    out.put_u32(element);
    if end > start {
        out.put_i32((end - start) as i32);
        out.put_i32(1);
    }
    for row in start..end {
        items.write(row, Format::Binary, out);
    }
}
