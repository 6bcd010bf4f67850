//! Columns of system tables: a name, a type, and how it is made from rows.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float32Builder, Float64Array, Int32Array, Int32Builder, Int64Array,
    ListBuilder, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

/// One column of a table whose rows are `R`.
pub(super) struct Column<R> {
    pub(super) field: Field,
    build: Box<dyn Fn(&[R]) -> ArrayRef + Send + Sync>,
}

impl<R> Column<R> {
    fn new(
        name: &str,
        data_type: DataType,
        build: impl Fn(&[R]) -> ArrayRef + Send + Sync + 'static,
    ) -> Self {
        Self { field: Field::new(name, data_type, true), build: Box::new(build) }
    }

    /// The column's values over these rows.
    pub(super) fn build(&self, rows: &[R]) -> ArrayRef {
        (self.build)(rows)
    }
}

/// Makes a constructor of columns of one type.
macro_rules! column {
    ($name:ident, $value:ty, $type:expr, $array:ty) => {
        pub(super) fn $name<R: 'static>(
            name: &str,
            value: impl Fn(&R) -> Option<$value> + Send + Sync + 'static,
        ) -> Column<R> {
            Column::new(name, $type, move |rows| Arc::new(rows.iter().map(&value).collect::<$array>()))
        }
    };
}

column!(integer, i32, DataType::Int32, Int32Array);
column!(bigint, i64, DataType::Int64, Int64Array);
column!(real, f32, DataType::Float32, Float32Array);
column!(double, f64, DataType::Float64, Float64Array);
column!(boolean, bool, DataType::Boolean, BooleanArray);
/// Text that the row has.
pub(super) fn text<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> Option<&str> + Send + Sync + 'static,
) -> Column<R> {
    Column::new(name, DataType::Utf8, move |rows| {
        let mut texts = StringBuilder::new();
        for row in rows {
            texts.append_option(value(row));
        }
        Arc::new(texts.finish())
    })
}

/// Microseconds since the Unix epoch.
pub(super) fn time<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> Option<i64> + Send + Sync + 'static,
) -> Column<R> {
    let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Column::new(name, data_type, move |rows| {
        Arc::new(rows.iter().map(&value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    })
}

/// A list of texts.
pub(super) fn texts<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> &[String] + Send + Sync + 'static,
) -> Column<R> {
    Column::new(name, DataType::new_list(DataType::Utf8, true), move |rows| {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in rows {
            lists.append_value(value(row).iter().map(Some));
        }
        Arc::new(lists.finish())
    })
}

/// A list of token ids.
pub(super) fn token_ids<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> &[u32] + Send + Sync + 'static,
) -> Column<R> {
    Column::new(name, DataType::new_list(DataType::Int32, true), move |rows| {
        let mut lists = ListBuilder::new(Int32Builder::new());
        for row in rows {
            lists.append_value(value(row).iter().map(|id| Some(*id as i32)));
        }
        Arc::new(lists.finish())
    })
}

/// A list of numbers.
pub(super) fn reals<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> &[f32] + Send + Sync + 'static,
) -> Column<R> {
    Column::new(name, DataType::new_list(DataType::Float32, true), move |rows| {
        let mut lists = ListBuilder::new(Float32Builder::new());
        for row in rows {
            lists.append_value(value(row).iter().map(|v| Some(*v)));
        }
        Arc::new(lists.finish())
    })
}

/// A list of numbers that the row may have.
pub(super) fn optional_reals<R: 'static>(
    name: &str,
    value: impl Fn(&R) -> Option<&[f32]> + Send + Sync + 'static,
) -> Column<R> {
    Column::new(name, DataType::new_list(DataType::Float32, true), move |rows| {
        let mut lists = ListBuilder::new(Float32Builder::new());
        for row in rows {
            let values = value(row);
            lists.values().append_slice(values.unwrap_or_default());
            lists.append(values.is_some());
        }
        Arc::new(lists.finish())
    })
}
