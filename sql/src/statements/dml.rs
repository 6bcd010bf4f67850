//! INSERT, UPDATE and DELETE. The latter two are a query over the whole table whose rows replace those before.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::compute::{filter_record_batch, not};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, TableFactor, TableObject, TableWithJoins,
    Update,
};
use futures::StreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::parse::parse;
use crate::rewrite::syntax::folded;
use crate::session::core::Session;
use crate::statement::Outcome;
use crate::statements::query;
use crate::statements::table_names::{external_is_fixed, no_such_table, user_table_name};
use crate::user_tables::table::{StoredTable, UserTable};

/// The column that says whether a row is one that the statement changes.
const CHANGED: &str = "__changed";

pub(super) async fn insert(
    session: &Session,
    insert: &Insert,
    ast: &Ast,
    values: &[ScalarValue],
) -> Result<Outcome> {
    if insert.returning.is_some() {
        return Err(Error::unsupported("INSERT … RETURNING"));
    }
    if insert.on.is_some() {
        return Err(Error::unsupported("INSERT … ON CONFLICT"));
    }
    if let TableObject::TableName(name) = &insert.table {
        let name = user_table_name(name)?;
        if session.database().tables.get(&name).is_none() {
            return Err(no_such_table(session, &name));
        }
    }
    query::run(session, ast, values).await
}

pub(super) async fn update(session: &Session, update: &Update, values: &[ScalarValue]) -> Result<Outcome> {
    if update.from.is_some() {
        return Err(Error::unsupported("UPDATE … FROM"));
    }
    if update.returning.is_some() {
        return Err(Error::unsupported("UPDATE … RETURNING"));
    }
    let target = target(session, &update.table, "UPDATE")?;
    let assigned = assignments(&update.assignments, &target.table)?;
    let columns = target.table.schema.fields().iter().map(|field| {
        let name = quoted(field.name());
        match assigned.iter().find(|(column, _)| column == field.name()) {
            Some((_, value)) => format!("CASE WHEN {CHANGED} THEN {value} ELSE {name} END AS {name}"),
            None => name,
        }
    });
    let columns: Vec<String> = columns.collect();
    let query = target.query(&columns.join(", "), update.selection.as_ref());
    let rows = rewrite_table(session, &target, &query, values, false).await?;
    Ok(Outcome::counted("UPDATE", rows))
}

pub(super) async fn delete(session: &Session, delete: &Delete, values: &[ScalarValue]) -> Result<Outcome> {
    if delete.using.is_some() {
        return Err(Error::unsupported("DELETE … USING"));
    }
    if delete.returning.is_some() {
        return Err(Error::unsupported("DELETE … RETURNING"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [table] = from.as_slice() else {
        return Err(Error::unsupported("DELETE from several tables"));
    };
    let target = target(session, table, "DELETE")?;
    let columns: Vec<String> = target.table.schema.fields().iter().map(|f| quoted(f.name())).collect();
    let query = target.query(&columns.join(", "), delete.selection.as_ref());
    let rows = rewrite_table(session, &target, &query, values, true).await?;
    Ok(Outcome::counted("DELETE", rows))
}

fn target(session: &Session, table: &TableWithJoins, what: &str) -> Result<Target> {
    let (TableFactor::Table { name, alias, .. }, []) = (&table.relation, table.joins.as_slice()) else {
        return Err(Error::unsupported(&format!("{what} of anything but one table")));
    };
    let bare = user_table_name(name)?;
    match session.database().tables.get(&bare) {
        Some(UserTable::Stored(table)) => {
            let alias = alias.as_ref().map_or_else(|| quoted(&bare), |alias| alias.name.to_string());
            Ok(Target { revision: table.revision(), table, alias })
        }
        Some(UserTable::Damaged(error)) => Err(error),
        Some(UserTable::External(_)) => Err(external_is_fixed(&bare, what)),
        None => Err(no_such_table(session, &bare)),
    }
}

/// Runs the query and replaces the table's rows by its own. Gives how many rows were changed or deleted.
async fn rewrite_table(
    session: &Session,
    target: &Target,
    query: &str,
    values: &[ScalarValue],
    drop_changed: bool,
) -> Result<u64> {
    let mut state = session.state()?;
    let parsed = parse(query)?.into_iter().find_map(|statement| statement.ast);
    let Some(ast) = parsed else {
        return Err(Error::internal("an empty rewrite"));
    };
    let plan = session.plan(&state, ast).await?;
    let plan = session.bind(plan, values)?;
    let mut stream = session.stream(&mut state, &plan).await?;
    let tables = &session.database().tables;
    let mut writer = tables.writer(&target.table)?;
    let mut changed = 0;
    while let Some(batch) = stream.next().await {
        let (rows, hits) = split(&batch.map_err(|e| session.error(&e))?)?;
        changed += hits.true_count() as u64;
        let rows = if drop_changed {
            filter_record_batch(&rows, &not(&hits).map_err(Error::internal)?).map_err(Error::internal)?
        } else {
            rows
        };
        writer.write(&rows)?;
    }
    if changed > 0 {
        tables.replace(&target.table, target.revision, Some(writer))?;
        session.wrote();
    }
    Ok(changed)
}

/// The table that a statement changes, and the name that its expressions know it by.
struct Target {
    table: Arc<StoredTable>,
    /// That of its rows before the statement.
    revision: u64,
    alias: String,
}

impl Target {
    /// The predicate is computed once, below what uses it.
    fn query(&self, columns: &str, predicate: Option<&Expr>) -> String {
        let predicate = predicate.map_or_else(|| "true".to_owned(), |p| format!("({p}) IS TRUE"));
        let (table, alias) = (quoted(&self.table.name), &self.alias);
        format!(
            "SELECT {columns}, {CHANGED} FROM (SELECT *, {predicate} AS {CHANGED} FROM {table} AS {alias}) AS {alias}"
        )
    }
}

fn assignments(assignments: &[Assignment], table: &StoredTable) -> Result<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Err(Error::unsupported("UPDATE … SET of several columns at once"));
        };
        let Some(ident) = name.0.last().and_then(|part| part.as_ident()) else {
            return Err(Error::unsupported("this target of UPDATE … SET"));
        };
        let column = folded(ident);
        if table.schema.field_with_name(&column).is_err() {
            let near = suggestion(&column, table.schema.fields().iter().map(|f| f.name().as_str()));
            let message = format!("column \"{column}\" of table \"{}\" does not exist{near}", table.name);
            return Err(Error::new(ErrorKind::UndefinedColumn, message));
        }
        if found.iter().any(|(other, _)| *other == column) {
            let message = format!("column \"{column}\" is set twice");
            return Err(Error::new(ErrorKind::DuplicateColumn, message));
        }
        found.push((column, assignment.value.to_string()));
    }
    Ok(found)
}

fn split(batch: &RecordBatch) -> Result<(RecordBatch, BooleanArray)> {
    let last = batch.num_columns() - 1;
    let columns: Vec<usize> = (0..last).collect();
    let rows = batch.project(&columns).map_err(Error::internal)?;
    let hits = batch.column(last).as_boolean();
    let hits = hits.iter().map(|hit| Some(hit == Some(true))).collect();
    Ok((rows, hits))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
