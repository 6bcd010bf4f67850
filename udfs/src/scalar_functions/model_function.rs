//! Functions that run the model: `DataFusion`'s asynchronous functions, whose calls run in inference operators.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use hyprstream_engine::CallContext;

use crate::call::StatementCall;
use crate::settings::Settings;
use crate::signature::arguments::rows;
use crate::signature::function::Function;

/// A function that runs the model.
#[async_trait]
pub(super) trait ModelFunction: Debug + Eq + Hash + Send + Sync + 'static {
    /// Its name and arguments.
    const FUNCTION: Function;

    /// How many rows one call takes together.
    const ROWS_PER_CALL: usize = 1;

    /// The type of its values, given those arguments that are written out; the others are `None`.
    fn value_type(&self, written: &[Option<&ScalarValue>]) -> Result<DataType>;

    /// The values for some rows of arguments.
    async fn call(
        &self,
        rows: Vec<Vec<ScalarValue>>,
        settings: &Settings,
        context: &Arc<CallContext>,
        value_type: &DataType,
    ) -> Result<ArrayRef>;
}

/// The function as `DataFusion` plans and calls it.
pub(super) fn asynchronous<F: ModelFunction>(function: F) -> ScalarUDF {
    let signature = F::FUNCTION.asynchronous_signature();
    AsyncScalarUDF::new(Arc::new(Asynchronous { function, signature })).into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Asynchronous<F> {
    function: F,
    signature: Signature,
}

impl<F: ModelFunction> ScalarUDFImpl for Asynchronous<F> {
    fn name(&self) -> &str {
        F::FUNCTION.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments' values", F::FUNCTION.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        F::FUNCTION.check(args.arg_fields)?;
        let value_type = self.function.value_type(args.scalar_arguments)?;
        Ok(Arc::new(Field::new(F::FUNCTION.name, value_type, true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} runs in an inference operator", F::FUNCTION.name)
    }
}

#[async_trait]
impl<F: ModelFunction> AsyncScalarUDFImpl for Asynchronous<F> {
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(F::ROWS_PER_CALL)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let settings = Settings::from_options(&args.config_options);
        let context = StatementCall::from_options(&args.config_options);
        let columns = F::FUNCTION.columns(&args.args, args.number_rows)?;
        let rows = rows(&columns, args.number_rows)?;
        let values = self.function.call(rows, &settings, &context, args.return_field.data_type()).await?;
        Ok(ColumnarValue::Array(values))
    }
}
