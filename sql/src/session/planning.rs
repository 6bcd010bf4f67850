//! From a statement's syntax tree to its rows.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlanProperties, execute_stream};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::resolve::resolve_table_references;
use hyprstream_udfs::StatementCall;

use crate::catalog::USER_SCHEMA;
use crate::classify::is_untyped_placeholder;
use crate::error::{Error, ErrorKind, Result};
use crate::parse::parse;
use crate::planner::query_planner::uses_model;
use crate::session::core::Session;
use crate::session::parameters::{cast_parameters, with_text};

impl Session {
    /// Plans a statement. A parameter whose type is not clear from the statement is text.
    pub(crate) async fn plan(&self, state: &SessionState, ast: Ast) -> Result<LogicalPlan> {
        match state.statement_to_plan(ast.clone()).await {
            Ok(plan) => Ok(plan),
            Err(error) if is_untyped_placeholder(&error) => {
                let planned = state.statement_to_plan(with_text(ast)).await;
                planned.map_err(|e| self.error(&e))
            }
            Err(error) => Err(self.broken_table(&ast).unwrap_or_else(|| self.error(&error))),
        }
    }

    /// Why a table that a statement names cannot be read, when that is so. Planning without its columns fails otherwise.
    fn broken_table(&self, ast: &Ast) -> Option<Error> {
        let (tables, _) = resolve_table_references(ast, true).ok()?;
        let in_reach = |table: &&TableReference| matches!(table.schema(), None | Some(USER_SCHEMA));
        tables.iter().filter(in_reach).find_map(|table| self.database().tables.fault(table.table()))
    }

    /// The rows of a plan as they come.
    pub(crate) async fn stream(
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
        let partitions = physical.output_partitioning().partition_count();
        let call = StatementCall::from_options(state.config_options());
        tracing::debug!(query_id = call.query_id(), role = call.role(), partitions, asks_model, "planned");
        let rows = execute_stream(physical, state.task_ctx()).map_err(|e| self.error(&e))?;
        Ok(rows)
    }

    /// The type of each parameter, `$1` first.
    pub(crate) fn parameter_types(
        &self,
        plan: &LogicalPlan,
        declared: &[Option<DataType>],
    ) -> Result<Vec<DataType>> {
        let mut found = plan.get_parameter_types().map_err(|e| self.error(&e))?;
        for (name, data_type) in cast_parameters(plan).map_err(|e| self.error(&e))? {
            let known = found.entry(name).or_default();
            if known.is_none() {
                *known = Some(data_type);
            }
        }
        let numbers = found.keys().filter_map(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let count = numbers.max().unwrap_or(0).max(declared.len());
        let types = (1..=count).map(|number| {
            let declared = declared.get(number - 1).cloned().flatten();
            declared.or_else(|| found.get(&format!("${number}")).cloned().flatten()).unwrap_or(DataType::Utf8)
        });
        Ok(types.collect())
    }

    /// The plan with values for its parameters.
    pub(crate) fn bind(&self, plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
        let types = self.parameter_types(&plan, &[])?;
        if types.len() > values.len() {
            let message =
                format!("the statement has {} parameters, {} values were given", types.len(), values.len());
            return Err(Error::new(ErrorKind::InvalidStatement, message));
        }
        if types.is_empty() {
            return Ok(plan);
        }
        let mut bound = Vec::with_capacity(types.len());
        for (number, (value, data_type)) in values.iter().zip(&types).enumerate() {
            let value = value.cast_to(data_type).map_err(|_| {
                let message = format!("parameter ${} is {value}, not {data_type}", number + 1);
                Error::new(ErrorKind::InvalidText, message)
            })?;
            bound.push(value);
        }
        plan.with_param_values(bound).map_err(|e| self.error(&e))
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
}
