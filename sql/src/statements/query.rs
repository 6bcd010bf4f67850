//! Statements that are planned as a whole: queries, EXPLAIN, and the plans of INSERT and COPY.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Ast;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::session::core::Session;
use crate::session::parameters::{value_types, with_types};
use crate::statement::{Outcome, Prepared};

pub(super) async fn prepare(session: &Session, ast: &Ast, declared: &[Option<DataType>]) -> Result<Prepared> {
    let state = session.state()?;
    let plan = session.plan(&state, with_types(ast.clone(), declared)).await?;
    let parameter_types = session.parameter_types(&plan, declared)?;
    if matches!(plan, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_)) {
        return Ok(Prepared::without_rows(parameter_types));
    }
    // The analyzer settles types, of a UNION for instance; parameters without a type may stop it.
    let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
    let schema: SchemaRef = match &analyzed {
        Ok(analyzed) => Arc::clone(analyzed.schema().inner()),
        Err(_) => Arc::clone(plan.schema().inner()),
    };
    Ok(Prepared { schema, parameter_types, is_query: true })
}

pub(super) async fn run(session: &Session, ast: &Ast, values: &[ScalarValue]) -> Result<Outcome> {
    let mut state = session.state()?;
    let declared = value_types(values);
    let plan = session.plan(&state, with_types(ast.clone(), &declared)).await?;
    let plan = session.bind(plan, values)?;
    let tag = match &plan {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN",
        LogicalPlan::Dml(_) | LogicalPlan::Copy(_) => return count(session, &mut state, &plan).await,
        LogicalPlan::Ddl(ddl) => return Err(Error::unsupported(ddl.name())),
        LogicalPlan::Statement(_) => return Err(Error::unsupported(&plan.display().to_string())),
        _ => "SELECT",
    };
    let stream = session.stream(&mut state, &plan).await?;
    Ok(Outcome::rows(tag, stream))
}

/// Runs a plan whose only row says how many rows it touched.
async fn count(session: &Session, state: &mut SessionState, plan: &LogicalPlan) -> Result<Outcome> {
    let tag = if matches!(plan, LogicalPlan::Copy(_)) { "COPY" } else { "INSERT 0" };
    let stream = session.stream(state, plan).await?;
    let batches: Vec<RecordBatch> =
        stream.try_collect().await.map_err(|e: DataFusionError| session.error(&e))?;
    let touched = |batch: &RecordBatch| {
        batch
            .columns()
            .first()
            .and_then(|c| c.as_primitive_opt::<UInt64Type>())
            .map(|c| c.values().iter().sum::<u64>())
    };
    session.wrote();
    Ok(Outcome::counted(tag, batches.iter().filter_map(touched).sum()))
}
