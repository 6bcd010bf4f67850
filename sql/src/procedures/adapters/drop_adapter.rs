//! `CALL drop_adapter(…)`: drops an adapter with all its versions, or one version.

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
    name: "drop_adapter",
    parameters: &[parameter("name", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "Drops an adapter with all its versions, or one version.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("versions_dropped", DataType::Int64, true),
    ]))
});

/// The procedure.
pub(super) struct DropAdapter;

#[async_trait]
impl Procedure for DropAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let dropped = session.database().engine().drop_adapter(name)?;
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(vec![name])), Arc::new(Int64Array::from(vec![dropped as i64]))];
        one_row(&SCHEMA, columns)
    }
}
