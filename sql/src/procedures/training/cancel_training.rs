//! `CALL cancel_training(…)`: stops a training run within a step.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_udfs::{Function, Kind};

use super::{Arguments, Procedure, one_row, parameter};
use crate::error::Result;
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "cancel_training",
    parameters: &[parameter("run_id", Kind::Integer)],
    required: 1,
    reserved: &[],
    description: "Stops a training run within a step; nothing is published.",
};

static SCHEMA: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("run_id", DataType::Int64, true)])));

/// The procedure.
pub(super) struct CancelTraining;

#[async_trait]
impl Procedure for CancelTraining {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let Some(run) = arguments.integer::<u64>("run_id")? else {
            return Err(arguments.invalid("run_id", "NULL", "it must be the number of a training run"));
        };
        session.database().engine().cancel_training(run)?;
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![run as i64]))];
        one_row(&SCHEMA, columns)
    }
}
