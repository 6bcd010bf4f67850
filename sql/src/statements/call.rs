//! CALL: the procedure of a name, with its arguments evaluated.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{ColumnarValue, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    Expr, ExprWithAlias, Function as SqlCall, FunctionArg, FunctionArguments,
};
use hyprstream_udfs::Kind;

use super::{Session, parameters};
use crate::error::{Error, ErrorKind, Result};
use crate::parse::parse;
use crate::procedures::{Arguments, Procedure, find};
use crate::rewrite::bind;
use crate::statement::{Outcome, Prepared, Severity};

impl Session {
    pub(super) fn prepare_call(call: &SqlCall) -> Result<Prepared> {
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

    pub(super) async fn call(&self, call: &SqlCall, values: &[ScalarValue]) -> Result<Outcome> {
        let procedure = find(&call.name.to_string())?;
        let arguments = self.arguments(procedure.as_ref(), call, values)?;
        let stream = procedure.call(self, &arguments).await?;
        self.wrote();
        Ok(Outcome::Rows { tag: "CALL".to_owned(), schema: stream.schema(), stream })
    }

    fn arguments(
        &self,
        procedure: &dyn Procedure,
        call: &SqlCall,
        values: &[ScalarValue],
    ) -> Result<Arguments> {
        let function = procedure.function();
        let mut evaluated = Vec::with_capacity(function.parameters.len());
        for (value, parameter) in bind(function, arguments(call)?)?.into_iter().zip(function.parameters) {
            let Some(value) = value else {
                evaluated.push(ScalarValue::Null);
                continue;
            };
            let value = self.evaluate(value, values)?;
            let is_text = value.try_as_str().is_some();
            let target = match parameter.kind {
                Kind::Texts if is_text => DataType::Utf8,
                kind => kind.data_type(),
            };
            let cast = if value.is_null() { Ok(ScalarValue::Null) } else { value.cast_to(&target) };
            let fits = match parameter.kind {
                Kind::Text => is_text,
                Kind::Texts => is_text || value.data_type().is_list(),
                _ => true,
            };
            match cast {
                Ok(cast) if fits || value.is_null() => evaluated.push(cast),
                _ => {
                    let message = format!(
                        "invalid {} {value} for procedure {}: it must be {}",
                        parameter.name,
                        function.name,
                        parameter.kind.description()
                    );
                    return Err(Error::new(ErrorKind::InvalidParameter, message));
                }
            }
        }
        evaluated.resize(function.parameters.len(), ScalarValue::Null);
        Ok(Arguments::new(function, evaluated))
    }

    /// The value of an expression without columns.
    fn evaluate(&self, expr: Expr, values: &[ScalarValue]) -> Result<ScalarValue> {
        if let Some(number) = written_parameter(&expr) {
            return values.get(number - 1).cloned().ok_or_else(|| {
                Error::new(ErrorKind::InvalidStatement, format!("there is no value for parameter ${number}"))
            });
        }
        if is_query(&expr) {
            return Err(super::unsupported("a query as an argument of CALL"));
        }
        let state = self.state()?;
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
        value.map_err(|e| self.error(&e))
    }

    /// The rows of a query that a procedure was given, run in this session.
    pub(crate) async fn query(&self, text: &str) -> Result<SendableRecordBatchStream> {
        let mut statements = parse(text)?.into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err(Error::new(ErrorKind::InvalidParameter, "one query is expected, not several"));
        };
        let Some(ast) = statement.ast else {
            return Err(Error::new(ErrorKind::InvalidParameter, "a query is expected, not an empty text"));
        };
        let mut state = self.state()?;
        let plan = self.plan(&state, ast).await?;
        if matches!(
            plan,
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)
        ) {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                "a query is expected, not a statement that changes data",
            ));
        }
        self.stream(&mut state, &plan).await
    }

    /// Sends the client a message beside the rows, if it wants such messages.
    pub(crate) fn progress(&self) -> impl Fn(String) + Send + Sync + use<> {
        let session = self.clone();
        move |message| session.notice(Severity::Notice, message)
    }
}

fn arguments(call: &SqlCall) -> Result<Vec<FunctionArg>> {
    match &call.args {
        FunctionArguments::List(list) => Ok(list.args.clone()),
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::Subquery(_) => Err(super::unsupported("CALL with a subquery")),
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
        Expr::Cast { expr, .. } => parameters::parameter_number(expr),
        other => parameters::parameter_number(other),
    }
}
