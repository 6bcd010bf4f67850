//! Typed rows as Arrow columns, for system tables and for the answers of procedures.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float32Builder, Float64Array, Int32Array, Int32Builder, Int64Array,
    ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;

/// The columns of rows of type `R`: of each its name, its type and how a row has its value.
pub(crate) struct Columns<R> {
    columns: Vec<Column<R>>,
}

struct Column<R> {
    field: Field,
    build: Box<dyn Fn(&[R]) -> ArrayRef + Send + Sync>,
}

impl<R: 'static> Columns<R> {
    /// The columns that a declaration adds to none.
    pub(crate) fn declared(declaration: fn(Self) -> Self) -> Self {
        declaration(Self { columns: Vec::new() })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>()))
    }

    /// The rows as a batch. Columns whose position is not `needed` are NULL.
    pub(crate) fn batch(
        &self,
        schema: &SchemaRef,
        rows: &[R],
        needed: impl Fn(usize) -> bool,
    ) -> Result<RecordBatch> {
        let array = |(i, column): (usize, &Column<R>)| {
            if needed(i) {
                (column.build)(rows)
            } else {
                new_null_array(column.field.data_type(), rows.len())
            }
        };
        Ok(RecordBatch::try_new(Arc::clone(schema), self.columns.iter().enumerate().map(array).collect())?)
    }

    fn with(
        mut self,
        name: &str,
        data_type: DataType,
        build: impl Fn(&[R]) -> ArrayRef + Send + Sync + 'static,
    ) -> Self {
        self.columns.push(Column { field: Field::new(name, data_type, true), build: Box::new(build) });
        self
    }

    pub(crate) fn integer(self, name: &str, value: fn(&R) -> Option<u32>) -> Self {
        self.with(name, DataType::Int32, move |rows| {
            Arc::new(rows.iter().map(|row| value(row).map(|v| v as i32)).collect::<Int32Array>())
        })
    }

    pub(crate) fn bigint(self, name: &str, value: fn(&R) -> Option<u64>) -> Self {
        self.with(name, DataType::Int64, move |rows| {
            Arc::new(rows.iter().map(|row| value(row).map(|v| v as i64)).collect::<Int64Array>())
        })
    }

    pub(crate) fn real(self, name: &str, value: fn(&R) -> Option<f32>) -> Self {
        self.with(name, DataType::Float32, move |rows| {
            Arc::new(rows.iter().map(value).collect::<Float32Array>())
        })
    }

    pub(crate) fn double(self, name: &str, value: fn(&R) -> Option<f64>) -> Self {
        self.with(name, DataType::Float64, move |rows| {
            Arc::new(rows.iter().map(value).collect::<Float64Array>())
        })
    }

    pub(crate) fn boolean(self, name: &str, value: fn(&R) -> Option<bool>) -> Self {
        self.with(name, DataType::Boolean, move |rows| {
            Arc::new(rows.iter().map(value).collect::<BooleanArray>())
        })
    }

    pub(crate) fn text(self, name: &str, value: fn(&R) -> Option<&str>) -> Self {
        self.with(name, DataType::Utf8, move |rows| Arc::new(rows.iter().map(value).collect::<StringArray>()))
    }

    /// A time in microseconds since the Unix epoch.
    pub(crate) fn time(self, name: &str, value: fn(&R) -> Option<i64>) -> Self {
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        self.with(name, data_type, move |rows| {
            Arc::new(rows.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        })
    }

    /// A list of texts.
    pub(crate) fn texts(self, name: &str, value: fn(&R) -> &[String]) -> Self {
        self.with(name, DataType::new_list(DataType::Utf8, true), move |rows| {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for row in rows {
                lists.append_value(value(row).iter().map(Some));
            }
            Arc::new(lists.finish())
        })
    }

    /// A list of token ids.
    pub(crate) fn token_ids(self, name: &str, value: fn(&R) -> &[u32]) -> Self {
        self.with(name, DataType::new_list(DataType::Int32, true), move |rows| {
            let mut lists = ListBuilder::new(Int32Builder::new());
            for row in rows {
                lists.append_value(value(row).iter().map(|id| Some(*id as i32)));
            }
            Arc::new(lists.finish())
        })
    }

    /// A list of numbers.
    pub(crate) fn reals(self, name: &str, value: fn(&R) -> Option<&[f32]>) -> Self {
        self.with(name, DataType::new_list(DataType::Float32, true), move |rows| {
            let mut lists = ListBuilder::new(Float32Builder::new());
            for row in rows {
                let values = value(row);
                lists.values().append_slice(values.unwrap_or_default());
                lists.append(values.is_some());
            }
            Arc::new(lists.finish())
        })
    }
}
