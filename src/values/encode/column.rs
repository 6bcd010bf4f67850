//! Columns of a batch. The type of each is settled once, so that a row is then one match away from its bytes.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    LargeBinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use datafusion::arrow::error::ArrowError;

use postgres_types::Type;

use crate::values::format::Format;
use crate::values::types::{array_of, postgres_type};

/// One column of one batch, ready to be read a row at a time.
#[derive(Debug)]
pub(crate) struct Column {
    nulls: Option<NullBuffer>,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) enum Values {
    Null,
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    UInt8(UInt64Array),
    Float4(Float32Array),
    Float8(Float64Array),
    Decimal128(Decimal128Array),
    Decimal256(Decimal256Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    TimestampTz(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    /// A list over elements that have an array type of their own, or (`element` is `None`) a JSON array.
    List {
        ranges: Vec<Range<usize>>,
        items: Box<Column>,
        element: Option<Type>,
    },
    Struct(Vec<(String, Column)>),
    Map {
        ranges: Vec<Range<usize>>,
        keys: Box<Column>,
        values: Box<Column>,
    },
}

impl Column {
    /// Settles how the values of `array` are written.
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(Self { nulls: array.logical_nulls(), values: Values::new(array)? })
    }

    /// Whether the value of `row` is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value of `row` with the length before it, as `DataRow` and arrays carry it.
    pub(crate) fn write(&self, row: usize, format: Format, out: &mut BytesMut) {
        if self.is_null(row) {
            out.put_i32(-1);
            return;
        }
        let start = out.len();
        out.put_i32(0);
        match format {
            Format::Text => {
                // Writing to a byte buffer that grows never fails.
                let _ = self.write_text(row, out);
            }
            Format::Binary => self.write_binary(row, out),
        }
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// The value of `row` as Postgres prints it, or `None` for NULL.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        if self.is_null(row) {
            return None;
        }
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.write_text(row, &mut text);
        Some(text)
    }
}

/// The columns of a batch.
pub(crate) fn columns(batch: &RecordBatch) -> Result<Vec<Column>, ArrowError> {
    batch.columns().iter().map(Column::new).collect()
}

impl Values {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Int8 | DataType::UInt8 => Self::new(&cast(array, &DataType::Int16)?)?,
            DataType::Int16 => Self::Int2(array.as_primitive::<Int16Type>().clone()),
            DataType::UInt16 => Self::new(&cast(array, &DataType::Int32)?)?,
            DataType::Int32 => Self::Int4(array.as_primitive::<Int32Type>().clone()),
            DataType::UInt32 => Self::new(&cast(array, &DataType::Int64)?)?,
            DataType::Int64 => Self::Int8(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::UInt8(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float16 => Self::new(&cast(array, &DataType::Float32)?)?,
            DataType::Float32 => Self::Float4(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Float8(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                Self::new(&cast(array, &DataType::Decimal128(*precision, *scale))?)?
            }
            DataType::Decimal128(..) => Self::Decimal128(array.as_primitive::<Decimal128Type>().clone()),
            DataType::Decimal256(..) => Self::Decimal256(array.as_primitive::<Decimal256Type>().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string().clone()),
            DataType::Utf8View => Self::TextView(array.as_string_view().clone()),
            DataType::Binary => Self::Bytes(array.as_binary().clone()),
            DataType::LargeBinary => Self::LargeBytes(array.as_binary().clone()),
            DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::new(&cast(array, &DataType::LargeBinary)?)?
            }
            DataType::Dictionary(_, values) => Self::new(&cast(array, values)?)?,
            DataType::RunEndEncoded(_, values) => Self::new(&cast(array, values.data_type())?)?,
            DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Interval(_)
            | DataType::Duration(_) => Self::temporal(array)?,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Struct(_)
            | DataType::Map(..) => Self::nested(array)?,
            DataType::Union(..) => Self::new(&cast(array, &DataType::Utf8)?)?,
        })
    }

    fn temporal(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Date64 => Self::temporal(&cast(array, &DataType::Date32)?)?,
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Time(array.as_primitive::<Time64MicrosecondType>().clone())
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                Self::temporal(&cast(array, &DataType::Time64(TimeUnit::Microsecond))?)?
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let values = array.as_primitive::<TimestampMicrosecondType>().clone();
                if zone.is_some() { Self::TimestampTz(values) } else { Self::Timestamp(values) }
            }
            DataType::Timestamp(_, zone) => {
                Self::temporal(&cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?)?
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::Interval(array.as_primitive::<IntervalMonthDayNanoType>().clone())
            }
            _ => Self::temporal(&cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?)?,
        })
    }

    fn nested(array: &ArrayRef) -> Result<Self, ArrowError> {
        let list = |ranges, items: &ArrayRef| {
            Ok(Self::List {
                ranges,
                items: Box::new(Column::new(items)?),
                element: Some(postgres_type(items.data_type())).filter(|element| array_of(element).is_some()),
            })
        };
        match array.data_type() {
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                list(ranges(lists.value_offsets().iter().map(|offset| *offset as usize)), lists.values())
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                list(ranges(lists.value_offsets().iter().map(|offset| *offset as usize)), lists.values())
            }
            DataType::FixedSizeList(..) => {
                let lists = array.as_fixed_size_list();
                let length = lists.value_length() as usize;
                let start = lists.value_offset(0) as usize;
                list(ranges((0..=lists.len()).map(|row| start + row * length)), lists.values())
            }
            DataType::ListView(item) | DataType::LargeListView(item) => {
                Self::nested(&cast(array, &DataType::LargeList(item.clone()))?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Ok(Self::Map {
                    ranges: ranges(map.value_offsets().iter().map(|offset| *offset as usize)),
                    keys: Box::new(Column::new(map.keys())?),
                    values: Box::new(Column::new(map.values())?),
                })
            }
            _ => {
                let rows = array.as_struct();
                let fields = rows.fields().iter().zip(rows.columns());
                fields
                    .map(|(field, column)| Ok((field.name().clone(), Column::new(column)?)))
                    .collect::<Result<_, _>>()
                    .map(Self::Struct)
            }
        }
    }
}

fn ranges(offsets: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let offsets: Vec<usize> = offsets.collect();
    offsets.windows(2).map(|pair| pair[0]..pair[1]).collect()
}
