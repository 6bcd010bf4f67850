//! Statements that are planned: queries, EXPLAIN, COPY.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlanProperties, execute_stream};
use datafusion::sql::parser::{CopyToStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{Insert, TableObject};
use futures::TryStreamExt;

use super::ddl::user_table_name;
use super::{Session, parameters};
use crate::error::{Error, ErrorKind, Result};
use crate::planner::uses_model;
use crate::statement::{Outcome, Prepared};
use crate::user_tables::{DraftFile, Pins};

/// A batch that is there already as an outcome.
pub(super) fn rows(tag: &str, batch: RecordBatch) -> Outcome {
    let schema = batch.schema();
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter([Ok(batch)]));
    Outcome::Rows { tag: tag.to_owned(), schema, stream: Box::pin(stream) }
}

impl Session {
    pub(super) async fn prepare_plan(&self, ast: &Ast, declared: &[Option<DataType>]) -> Result<Prepared> {
        let state = self.state()?;
        let plan = self.plan(&state, parameters::with_types(ast.clone(), declared)).await?;
        let parameter_types = self.parameter_types(&plan, declared)?;
        if matches!(plan, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_)) {
            return Ok(super::no_rows(parameter_types));
        }
        // The analyzer settles types, of a UNION for instance; parameters without a type may stop it.
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
        let schema: SchemaRef = match &analyzed {
            Ok(analyzed) => Arc::clone(analyzed.schema().inner()),
            Err(_) => Arc::clone(plan.schema().inner()),
        };
        Ok(Prepared { schema, parameter_types, is_query: true })
    }

    pub(super) async fn run_plan(&self, ast: &Ast, values: &[ScalarValue]) -> Result<Outcome> {
        let mut state = self.state()?;
        let declared = parameters::types_of(values);
        let plan = self.plan(&state, parameters::with_types(ast.clone(), &declared)).await?;
        let plan = self.bind(plan, values)?;
        let tag = match &plan {
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN",
            LogicalPlan::Dml(_) | LogicalPlan::Copy(_) => return self.run_count(&mut state, &plan).await,
            LogicalPlan::Ddl(ddl) => return Err(unsupported_ddl(ddl)),
            LogicalPlan::Statement(_) => return Err(super::unsupported(&format!("{}", plan.display()))),
            _ => "SELECT",
        };
        let stream = self.stream(&mut state, &plan).await?;
        Ok(Outcome::Rows { tag: tag.to_owned(), schema: stream.schema(), stream })
    }

    /// Plans a statement; parameters whose type nothing says are text.
    pub(super) async fn plan(&self, state: &SessionState, ast: Ast) -> Result<LogicalPlan> {
        match state.statement_to_plan(ast.clone()).await {
            Ok(plan) => Ok(plan),
            Err(error) if error.to_string().contains("laceholder") => {
                let planned = state.statement_to_plan(parameters::with_text(ast)).await;
                planned.map_err(|e| self.error(&e))
            }
            Err(error) => Err(self.error(&error)),
        }
    }

    /// The rows of a plan as they come.
    pub(super) async fn stream(
        &self,
        state: &mut SessionState,
        plan: &LogicalPlan,
    ) -> Result<SendableRecordBatchStream> {
        let asks_model = uses_model(plan).map_err(|e| self.error(&e))?;
        if asks_model {
            // More partitions would gather rows between operators, and the model decodes side by side anyway.
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let physical = state.create_physical_plan(plan).await.map_err(|e| self.error(&e))?;
        tracing::debug!(partitions = physical.output_partitioning().partition_count(), asks_model, "planned");
        let rows = execute_stream(physical, state.task_ctx()).map_err(|e| self.error(&e))?;
        let pins = state.config().get_extension::<Pins>();
        let rows = RecordBatchStreamAdapter::new(
            rows.schema(),
            rows.inspect_ok(move |_| {
                let _ = &pins;
            }),
        );
        Ok(Box::pin(rows))
    }

    /// Runs a plan whose only row says how many rows it touched.
    async fn run_count(&self, state: &mut SessionState, plan: &LogicalPlan) -> Result<Outcome> {
        let tag = if matches!(plan, LogicalPlan::Copy(_)) { "COPY" } else { "INSERT 0" };
        let stream = self.stream(state, plan).await?;
        let batches: Vec<RecordBatch> =
            stream.try_collect().await.map_err(|e: DataFusionError| self.error(&e))?;
        let count = |batch: &RecordBatch| {
            batch
                .columns()
                .first()
                .and_then(|c| c.as_primitive_opt::<UInt64Type>())
                .map(|c| c.values().iter().sum::<u64>())
        };
        self.wrote();
        Ok(Outcome::Command {
            tag: tag.to_owned(),
            rows: Some(batches.iter().filter_map(count).sum::<u64>()),
        })
    }

    pub(super) async fn insert(&self, insert: &Insert, ast: &Ast, values: &[ScalarValue]) -> Result<Outcome> {
        if insert.returning.is_some() {
            return Err(super::unsupported("INSERT … RETURNING"));
        }
        if insert.on.is_some() {
            return Err(super::unsupported("INSERT … ON CONFLICT"));
        }
        if let TableObject::TableName(name) = &insert.table {
            let name = user_table_name(name)?;
            if self.database().tables.get(&name).is_none() {
                return Err(self.no_such_table(&name));
            }
        }
        self.run_plan(ast, values).await
    }

    /// COPY writes files only where the configuration lets it.
    pub(super) async fn copy_to(
        &self,
        statement: &CopyToStatement,
        values: &[ScalarValue],
    ) -> Result<Outcome> {
        let path = self.database().files.writable(&statement.target)?;
        let mut statement = statement.clone();
        let is_file = path.extension().is_some() && statement.partitioned_by.is_empty();
        if !is_file {
            statement.target = path.to_string_lossy().into_owned();
            return self.run_plan(&Ast::CopyTo(statement), values).await;
        }
        let draft = DraftFile::beside(&path);
        statement.target = draft.path.to_string_lossy().into_owned();
        let outcome = self.run_plan(&Ast::CopyTo(statement), values).await?;
        draft.publish(&path)?;
        Ok(outcome)
    }
}

fn unsupported_ddl(ddl: &DdlStatement) -> Error {
    Error::new(ErrorKind::FeatureNotSupported, format!("{} is not supported in this version", ddl.name()))
}
