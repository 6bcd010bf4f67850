//! `CALL rotate_adapter(…)`: drops the old versions of an adapter.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, one_row, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "rotate_adapter",
    parameters: &[
        parameter("name", Kind::Text),
        parameter("keep_last", Kind::Integer),
        parameter("keep_tagged", Kind::Boolean),
    ],
    required: 2,
    reserved: &[],
    description: "Drops the versions of an adapter but the newest ones and, unless told otherwise, the tagged ones.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("versions_dropped", DataType::Int64, true),
    ]))
});

/// The procedure.
pub(super) struct RotateAdapter;

#[async_trait]
impl Procedure for RotateAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let Some(keep_last) = arguments.integer::<usize>("keep_last")? else {
            return Err(arguments.invalid("keep_last", "NULL", "it must be a number of versions"));
        };
        let keep_tagged = arguments.boolean("keep_tagged").unwrap_or(true);
        let engine = session.database().engine();
        let dropped = engine.rotate_adapter(name, keep_last, keep_tagged)?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![name])),
            Arc::new(Int64Array::from(vec![dropped.len() as i64])),
        ];
        one_row(&SCHEMA, columns)
    }
}
