//! `CALL compact()`: gives back the space that the weight store no longer uses.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::Function;

use super::{Arguments, Procedure, one_row};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "compact",
    parameters: &[],
    required: 0,
    reserved: &[],
    description: "Writes the weight store anew without holes and gives the rest of its space back.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("bytes_before", DataType::Int64, true),
        Field::new("bytes_after", DataType::Int64, true),
    ]))
});

/// The procedure.
pub(super) struct Compact;

#[async_trait]
impl Procedure for Compact {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, _: &Arguments) -> Result<SendableRecordBatchStream> {
        let compacted = session.database().engine().compact().await?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![compacted.bytes_before as i64])),
            Arc::new(Int64Array::from(vec![compacted.bytes_after as i64])),
        ];
        one_row(&SCHEMA, columns)
    }
}
