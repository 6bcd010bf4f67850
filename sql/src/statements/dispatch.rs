//! Any statement to the module of its kind.

use std::time::Instant;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{Error, Result};
use crate::session::core::Session;
use crate::session::guarded_rows::timed_out;
use crate::statement::{Outcome, Prepared, Statement};
use crate::statements::{call, copy, ddl, dml, query, set, show, transaction_block};

impl Session {
    /// The columns and parameter types of a statement. Types that the client named come first; `None` is inferred.
    /// Planning has no side effects, so it may run as often as a server likes.
    pub async fn prepare(
        &self,
        statement: &Statement,
        parameter_types: &[Option<DataType>],
    ) -> Result<Prepared> {
        let Some(ast) = &statement.ast else {
            return Ok(Prepared::without_rows(Vec::new()));
        };
        match ast {
            Ast::Statement(inner) => match inner.as_ref() {
                SqlStatement::Call(call) => call::prepare(call),
                SqlStatement::ShowVariable { variable } => show::prepare(self, variable),
                SqlStatement::CreateTable(create) => {
                    let types = ddl::parameter_types(self, create, parameter_types).await?;
                    Ok(Prepared::without_rows(types))
                }
                other if is_command(other) => Ok(Prepared::without_rows(Vec::new())),
                _ => query::prepare(self, ast, parameter_types).await,
            },
            Ast::Reset(_) | Ast::CreateExternalTable(_) => Ok(Prepared::without_rows(Vec::new())),
            Ast::CopyTo(_) | Ast::Explain(_) => query::prepare(self, ast, parameter_types).await,
        }
    }

    /// Runs a statement. Dropping the future or the outcome's stream cancels it within one token or one step.
    /// The `statement_timeout` setting is kept here, for every server alike.
    pub async fn execute(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<Outcome> {
        let Some(ast) = &statement.ast else {
            return Ok(Outcome::Empty);
        };
        self.transaction().expect_usable(ast)?;
        let timeout = self.variables().statement_timeout();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let session = self.for_statement(deadline);
        let running = async {
            if statement.for_all {
                set::alter_system(&session, ast)
            } else {
                run(&session, ast, parameters).await
            }
        };
        let outcome = match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), running).await {
                Ok(outcome) => outcome,
                Err(_) => Err(timed_out()),
            },
            None => running.await,
        };
        match outcome {
            Ok(Outcome::Rows { tag, stream, .. }) => {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                Ok(Outcome::rows(&tag, session.guarded(stream, left)))
            }
            Ok(other) => Ok(other),
            Err(error) => {
                self.statement_failed();
                Err(session.blame_timeout(error))
            }
        }
    }
}

async fn run(session: &Session, ast: &Ast, parameters: &[ScalarValue]) -> Result<Outcome> {
    match ast {
        Ast::Statement(statement) => run_sql(session, statement, ast, parameters).await,
        Ast::CreateExternalTable(statement) => ddl::create_external_table(session, statement).await,
        Ast::Reset(ResetStatement::Variable(name)) => set::reset(session, &name.to_string()),
        Ast::CopyTo(statement) => copy::copy_to(session, statement, parameters).await,
        Ast::Explain(_) => query::run(session, ast, parameters).await,
    }
}

async fn run_sql(
    session: &Session,
    statement: &SqlStatement,
    ast: &Ast,
    parameters: &[ScalarValue],
) -> Result<Outcome> {
    match statement {
        SqlStatement::Call(call) => call::call(session, call, parameters).await,
        SqlStatement::Set(set) => set::set(session, set),
        SqlStatement::ShowVariable { variable } => show::show(session, variable),
        SqlStatement::Discard { object_type } => Ok(set::discard(session, *object_type)),
        SqlStatement::StartTransaction { .. } => Ok(transaction_block::begin(session)),
        SqlStatement::Commit { .. } => Ok(transaction_block::commit(session)),
        SqlStatement::Rollback { savepoint: None, .. } => Ok(transaction_block::rollback(session)),
        SqlStatement::Rollback { .. }
        | SqlStatement::Savepoint { .. }
        | SqlStatement::ReleaseSavepoint { .. } => Err(Error::unsupported("SAVEPOINT")),
        SqlStatement::Prepare { .. } | SqlStatement::Execute { .. } => Err(Error::unsupported("PREPARE")
            .with_hint("Clients prepare statements by the protocol: $1 with a value beside it.")),
        SqlStatement::Deallocate { .. } => Ok(Outcome::command("DEALLOCATE")),
        SqlStatement::Close { .. } => Ok(Outcome::command("CLOSE CURSOR")),
        SqlStatement::UNLISTEN { .. } => Ok(Outcome::command("UNLISTEN")),
        SqlStatement::CreateTable(create) => ddl::create_table(session, create, ast, parameters).await,
        SqlStatement::Drop { .. } => ddl::drop_tables(session, statement),
        SqlStatement::Truncate(truncate) => ddl::truncate(session, truncate),
        SqlStatement::Insert(insert) => dml::insert(session, insert, ast, parameters).await,
        SqlStatement::Update(update) => dml::update(session, update, parameters).await,
        SqlStatement::Delete(delete) => dml::delete(session, delete, parameters).await,
        _ => query::run(session, ast, parameters).await,
    }
}

/// Statements that are not planned.
fn is_command(statement: &SqlStatement) -> bool {
    matches!(
        statement,
        SqlStatement::Set(_)
            | SqlStatement::Discard { .. }
            | SqlStatement::StartTransaction { .. }
            | SqlStatement::Commit { .. }
            | SqlStatement::Rollback { .. }
            | SqlStatement::Savepoint { .. }
            | SqlStatement::ReleaseSavepoint { .. }
            | SqlStatement::Prepare { .. }
            | SqlStatement::Execute { .. }
            | SqlStatement::Deallocate { .. }
            | SqlStatement::Close { .. }
            | SqlStatement::UNLISTEN { .. }
            | SqlStatement::Drop { .. }
            | SqlStatement::Truncate(_)
    )
}
