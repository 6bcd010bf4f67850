//! Functions of Postgres that clients call and `DataFusion` does not have.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::settings::Variables;

/// What `version()` says; clients read the number after `PostgreSQL`.
pub(crate) const VERSION: &str = concat!("PostgreSQL 15.0 (hyprstream ", env!("CARGO_PKG_VERSION"), ")");

/// Functions that are the same for every session.
pub(crate) fn shared_functions() -> Vec<ScalarUDF> {
    vec![
        constant("version", ScalarValue::from(VERSION)),
        constant("pg_is_in_recovery", ScalarValue::from(false)),
        constant("pg_advisory_unlock_all", ScalarValue::Null),
        constant("txid_current", ScalarValue::from(0_i64)),
        always("obj_description", vec![DataType::Int32, DataType::Utf8], ScalarValue::Utf8(None)),
        always("col_description", vec![DataType::Int32, DataType::Int32], ScalarValue::Utf8(None)),
        always("pg_function_is_visible", vec![DataType::Int32], ScalarValue::from(true)),
        always("pg_type_is_visible", vec![DataType::Int32], ScalarValue::from(true)),
    ]
}

/// Functions whose answers depend on the session.
pub(crate) fn session_functions(variables: &Variables, user: &str, number: u64) -> Vec<ScalarUDF> {
    let mut functions = vec![current_setting(variables.clone())];
    for name in ["session_user", "current_user", "user"] {
        functions.push(constant(name, ScalarValue::from(user)));
    }
    functions.push(constant("pg_backend_pid", ScalarValue::from(number as i32)));
    functions
}

fn constant(name: &str, value: ScalarValue) -> ScalarUDF {
    always(name, Vec::new(), value)
}

fn always(name: &str, arguments: Vec<DataType>, value: ScalarValue) -> ScalarUDF {
    let returns = value.data_type();
    let answer = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
    create_udf(name, arguments, returns, Volatility::Stable, answer)
}

fn current_setting(variables: Variables) -> ScalarUDF {
    let answer = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let names = ColumnarValue::values_to_arrays(arguments)?;
        let value = |name: Option<&str>| -> Result<Option<String>> {
            Ok(name.map(|name| variables.get(name)).transpose()?)
        };
        let values: StringArray = names[0].as_string::<i32>().iter().map(value).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(values) as ArrayRef))
    };
    create_udf("current_setting", vec![DataType::Utf8], DataType::Utf8, Volatility::Stable, Arc::new(answer))
}
