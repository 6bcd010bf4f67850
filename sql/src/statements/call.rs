//! CALL: the procedure of a name, with its arguments evaluated.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::sql::sqlparser::ast::{
    Expr, ExprWithAlias, Function as SqlCall, FunctionArg, FunctionArguments,
};
use hyprstream_udfs::{Arguments, Function, Kind, Parameter, invalid_argument};

use crate::error::{Error, ErrorKind, Result};
use crate::procedures::find;
use crate::rewrite::named_arguments::bind;
use crate::rewrite::syntax::parameter_number;
use crate::session::core::Session;
use crate::statement::{Outcome, Prepared};

pub(super) fn prepare(call: &SqlCall) -> Result<Prepared> {
    let procedure = find(&call.name.to_string())?;
    let mut types: Vec<DataType> = Vec::new();
    let bound = bind(procedure.function(), arguments(call)?)?;
    for (value, parameter) in bound.iter().zip(procedure.function().parameters) {
        let Some(number) = value.as_ref().and_then(written_parameter) else {
            continue;
        };
        types.resize(types.len().max(number), DataType::Utf8);
        types[number - 1] = parameter.kind.data_type();
    }
    Ok(Prepared { schema: procedure.schema(), parameter_types: types, is_query: true })
}

pub(super) async fn call(session: &Session, call: &SqlCall, values: &[ScalarValue]) -> Result<Outcome> {
    let procedure = find(&call.name.to_string())?;
    let values = evaluated(session, procedure.function(), call, values)?;
    let stream = procedure.call(session, Arguments::new(procedure.function(), &values)).await?;
    session.wrote();
    Ok(Outcome::rows("CALL", stream))
}

/// The value of each parameter of a procedure, of its type; NULL where the call does not give it.
fn evaluated(
    session: &Session,
    function: &Function,
    call: &SqlCall,
    values: &[ScalarValue],
) -> Result<Vec<ScalarValue>> {
    let mut evaluated = Vec::with_capacity(function.parameters.len());
    for (value, parameter) in bind(function, arguments(call)?)?.into_iter().zip(function.parameters) {
        evaluated.push(match value {
            Some(value) => converted(*parameter, evaluate(session, value, values)?)?,
            None => ScalarValue::Null,
        });
    }
    evaluated.resize(function.parameters.len(), ScalarValue::Null);
    Ok(evaluated)
}

/// A value as a parameter takes it.
fn converted(parameter: Parameter, value: ScalarValue) -> Result<ScalarValue> {
    if value.is_null() {
        return Ok(ScalarValue::Null);
    }
    let is_text = value.try_as_str().is_some();
    let fits = match parameter.kind {
        Kind::Text => is_text,
        Kind::Texts => is_text || value.data_type().is_list(),
        _ => true,
    };
    let target = match parameter.kind {
        Kind::Texts if is_text => DataType::Utf8,
        kind => kind.data_type(),
    };
    match value.cast_to(&target) {
        Ok(converted) if fits => Ok(converted),
        _ => {
            let reason = format!("it must be {}", parameter.kind.description());
            Err(invalid_argument(parameter.name, value, reason).into())
        }
    }
}

/// The value of an expression without columns.
fn evaluate(session: &Session, expr: Expr, values: &[ScalarValue]) -> Result<ScalarValue> {
    if let Some(number) = written_parameter(&expr) {
        return values.get(number - 1).cloned().ok_or_else(|| {
            Error::new(ErrorKind::InvalidStatement, format!("there is no value for parameter ${number}"))
        });
    }
    if is_query(&expr) {
        return Err(Error::unsupported("a query as an argument of CALL"));
    }
    let state = session.state()?;
    let nothing = DFSchema::empty();
    let alias = ExprWithAlias { expr, alias: None };
    let value = state.create_logical_expr_from_sql_expr(alias, &nothing).and_then(|expr| {
        let expr = state.create_physical_expr(expr, &nothing)?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        match expr.evaluate(&row)? {
            ColumnarValue::Scalar(value) => Ok(value),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
        }
    });
    value.map_err(|e| session.error(&e))
}

fn arguments(call: &SqlCall) -> Result<Vec<FunctionArg>> {
    match &call.args {
        FunctionArguments::List(list) => Ok(list.args.clone()),
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::Subquery(_) => Err(Error::unsupported("CALL with a subquery")),
    }
}

fn is_query(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_query(expr),
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => true,
        _ => false,
    }
}

/// The number of a parameter, also under the cast that binding puts around it.
fn written_parameter(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Cast { expr, .. } => parameter_number(expr),
        other => parameter_number(other),
    }
}
