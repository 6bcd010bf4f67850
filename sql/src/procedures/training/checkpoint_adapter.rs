//! `CALL checkpoint_adapter(…)`: keeps the weights and the optimiser of a run or a version.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Float32Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, one_row, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "checkpoint_adapter",
    parameters: &[parameter("name", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "Takes a checkpoint of a running training run, or of an adapter's latest version.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("adapter", DataType::Utf8, true),
        Field::new("run_id", DataType::Int64, true),
        Field::new("step", DataType::Int64, true),
        Field::new("loss", DataType::Float32, true),
    ]))
});

/// The procedure.
pub(super) struct CheckpointAdapter;

#[async_trait]
impl Procedure for CheckpointAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let name = arguments.required_text("name")?;
        let checkpoint = session.database().engine().checkpoint_adapter(name).await?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![checkpoint.id as i64])),
            Arc::new(StringArray::from(vec![checkpoint.adapter.as_str()])),
            Arc::new(Int64Array::from(vec![checkpoint.run_id.map(|id| id as i64)])),
            Arc::new(Int64Array::from(vec![checkpoint.step as i64])),
            Arc::new(Float32Array::from(vec![checkpoint.loss])),
        ];
        one_row(&SCHEMA, columns)
    }
}
