//! The extended protocol: prepared statements, and portals that are executed a number of rows at a time.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use hyprstream_sql::{Outcome, Prepared, Statement};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
    TARGET_TYPE_BYTE_PORTAL,
};
use pgwire::messages::response::EmptyQueryResponse;
use postgres_types::Type;

use crate::pg::backend::Backend;
use crate::pg::error::Failure;
use crate::pg::rows::{Progress, Rows};
use crate::pg::wire::columns::{self, ColumnDescription};
use crate::report::Report;
use crate::values::command_tag::command_tag;
use crate::values::decode::{self, ParameterType};
use crate::values::format::Format;
use crate::values::types;

/// How many statements and portals a connection may keep.
const MAX_KEPT: usize = 10_000;

/// A statement with its parameters and columns.
#[derive(Debug)]
pub(crate) struct PreparedStatement {
    statement: Statement,
    prepared: Prepared,
    parameters: Vec<ParameterType>,
}

/// A statement bound to its parameters.
pub(crate) struct Portal {
    statement: Arc<PreparedStatement>,
    parameters: Vec<ScalarValue>,
    formats: Vec<Format>,
    state: State,
}

enum State {
    Bound,
    Running(Rows),
    /// All rows were sent; asked again, there are none.
    Exhausted(Rows),
    Done,
}

/// What a connection has prepared.
#[derive(Default)]
pub(crate) struct ExtendedQuery {
    statements: HashMap<String, Arc<PreparedStatement>>,
    portals: HashMap<String, Portal>,
}

impl ExtendedQuery {
    /// Forgets the statement and the portal without a name.
    pub(super) fn forget_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }

    /// Forgets all portals, as the end of a transaction does.
    pub(super) fn forget_portals(&mut self) {
        self.portals.clear();
    }

    /// Plans a statement and keeps it under its name.
    pub(super) async fn parse(&mut self, backend: &mut Backend, parse: Parse) -> Result<(), Failure> {
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Report::error("42P05", message).into());
        }
        check_kept(self.statements.len(), "prepared statements")?;
        let mut statements = backend.session().parse(&parse.query)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Report::error("42601", message).into());
        }
        let Some(statement) = statements.pop() else {
            return Err(Report::error("42601", "there is no statement to prepare").into());
        };
        let wire: Vec<Option<Type>> = parse.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
        let declared: Vec<Option<DataType>> =
            wire.iter().map(|wire| wire.as_ref().and_then(types::arrow_type)).collect();
        let prepared = {
            let _running = backend.begin_statement();
            backend.prepare(&statement, &declared).await?
        };
        let parameters = parameter_types(&prepared, &wire, &declared);
        self.statements.insert(name, Arc::new(PreparedStatement { statement, prepared, parameters }));
        backend.reply(&ParseComplete::new());
        Ok(())
    }

    /// Makes a portal of a statement and its parameters.
    pub(super) fn bind(&mut self, backend: &mut Backend, bind: Bind) -> Result<(), Failure> {
        let statement = Arc::clone(self.statement(bind.statement_name.as_deref().unwrap_or_default())?);
        let name = bind.portal_name.unwrap_or_default();
        if name.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(&name) {
            return Err(Report::error("42P03", format!("portal \"{name}\" already exists")).into());
        }
        check_kept(self.portals.len(), "portals")?;
        let expected = statement.parameters.len();
        if bind.parameters.len() != expected {
            let message = format!(
                "bind message supplies {} parameters, but the statement requires {expected}",
                bind.parameters.len()
            );
            return Err(Report::error("08P01", message).into());
        }
        let parameter_formats = spread(&bind.parameter_format_codes, expected, "parameter")?;
        let parameters = bind
            .parameters
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                decode::read(index, &statement.parameters[index], parameter_formats[index], value)
            })
            .collect::<Result<_, _>>()?;
        let formats =
            spread(&bind.result_column_format_codes, statement.prepared.schema.fields().len(), "result")?;
        self.portals.insert(name, Portal { statement, parameters, formats, state: State::Bound });
        backend.reply(&BindComplete::new());
        Ok(())
    }

    /// Says what a statement takes and what it or a portal returns.
    pub(super) fn describe(&self, backend: &mut Backend, describe: &Describe) -> Result<(), Failure> {
        let name = describe.name.as_deref().unwrap_or_default();
        let columns = if describe.target_type == TARGET_TYPE_BYTE_PORTAL {
            let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
            returned_columns(&portal.statement.prepared, |index| portal.formats[index])?
        } else {
            let statement = self.statement(name)?;
            let columns = returned_columns(&statement.prepared, |_| Format::Text)?;
            let oids = statement.parameters.iter().map(|parameter| parameter.wire.oid());
            backend.reply(&ParameterDescription::new(oids.collect()));
            columns
        };
        match columns {
            Some(columns) => backend.reply(&columns::row_description(&columns)),
            None => backend.reply(&NoData::new()),
        }
        Ok(())
    }

    /// Runs a portal, or goes on with it.
    pub(super) async fn execute(&mut self, backend: &mut Backend, execute: Execute) -> Result<(), Failure> {
        let name = execute.name.unwrap_or_default();
        let max_rows = usize::try_from(execute.max_rows).unwrap_or(0);
        // The portal is out of the map while it runs, so a failure drops it and with it the work.
        let mut portal = self.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        {
            let _running = backend.begin_statement();
            portal.run(backend, max_rows).await?;
        }
        self.portals.insert(name, portal);
        backend.flush_if_full().await
    }

    /// Forgets a statement or portal; one that is not there is no error.
    pub(super) fn close(&mut self, backend: &mut Backend, close: &Close) {
        let name = close.name.as_deref().unwrap_or_default();
        if close.target_type == TARGET_TYPE_BYTE_PORTAL {
            self.portals.remove(name);
        } else {
            self.statements.remove(name);
        }
        backend.reply(&CloseComplete::new());
    }

    fn statement(&self, name: &str) -> Result<&Arc<PreparedStatement>, Report> {
        self.statements.get(name).ok_or_else(|| match name {
            "" => Report::error("26000", "unnamed prepared statement does not exist"),
            name => Report::error("26000", format!("prepared statement \"{name}\" does not exist")),
        })
    }
}

impl Portal {
    async fn run(&mut self, backend: &mut Backend, max_rows: usize) -> Result<(), Failure> {
        if matches!(self.state, State::Bound) {
            match backend.start(&self.statement.statement, &self.parameters).await? {
                Outcome::Rows { tag, schema, stream } => {
                    if schema.fields().len() != self.formats.len() {
                        let message = "cached plan must not change result type";
                        return Err(Report::error("0A000", message).into());
                    }
                    let rows = Rows::try_new(tag, &schema, stream, |index| self.formats[index])?;
                    self.state = State::Running(rows);
                }
                Outcome::Command { tag, rows } => {
                    self.state = State::Done;
                    backend.reply_complete(&command_tag(&tag, rows));
                    return Ok(());
                }
                Outcome::Empty => {
                    self.state = State::Done;
                    backend.reply(&EmptyQueryResponse::new());
                    return Ok(());
                }
            }
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Running(mut rows) => {
                if rows.send(backend, max_rows).await? == Progress::Suspended {
                    backend.reply(&PortalSuspended::new());
                    self.state = State::Running(rows);
                } else {
                    backend.reply_complete(&rows.take_tag());
                    self.state = State::Exhausted(rows);
                }
                Ok(())
            }
            State::Exhausted(mut rows) => {
                backend.reply_complete(&rows.take_tag());
                self.state = State::Exhausted(rows);
                Ok(())
            }
            State::Bound | State::Done => Err(Report::error("55000", "portal cannot be run again").into()),
        }
    }
}

/// The columns of what a statement returns, where it returns rows.
fn returned_columns(
    prepared: &Prepared,
    format: impl Fn(usize) -> Format,
) -> Result<Option<Vec<ColumnDescription>>, Report> {
    prepared.is_query.then(|| columns::describe(&prepared.schema, format)).transpose()
}

fn no_portal(name: &str) -> Report {
    Report::error("34000", format!("portal \"{name}\" does not exist"))
}

fn check_kept(kept: usize, what: &str) -> Result<(), Report> {
    if kept < MAX_KEPT {
        return Ok(());
    }
    Err(Report::error("54000", format!("a connection keeps at most {MAX_KEPT} {what}"))
        .with_hint("close those that are no longer needed"))
}

/// The type of each parameter: on the wire as the client declared it, in the plan as it was inferred.
fn parameter_types(
    prepared: &Prepared,
    wire: &[Option<Type>],
    declared: &[Option<DataType>],
) -> Vec<ParameterType> {
    let parameters = prepared.parameter_types.iter().enumerate();
    parameters
        .map(|(index, data_type)| ParameterType {
            wire: match (wire.get(index), declared.get(index)) {
                (Some(Some(wire)), Some(Some(_))) => wire.clone(),
                _ => types::postgres_type(data_type),
            },
            data_type: data_type.clone(),
        })
        .collect()
}

/// Format codes come once for all, one for each, or not at all.
fn spread(codes: &[i16], count: usize, what: &str) -> Result<Vec<Format>, Report> {
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [code] => Ok(vec![Format::from_code(*code); count]),
        codes if codes.len() == count => Ok(codes.iter().copied().map(Format::from_code).collect()),
        codes => Err(Report::error(
            "08P01",
            format!("bind message has {} {what} formats but {count} are needed", codes.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_format_stands_for_all_columns() {
        assert_eq!(spread(&[], 2, "result").unwrap(), [Format::Text; 2]);
        assert_eq!(spread(&[1], 3, "result").unwrap(), [Format::Binary; 3]);
        let both = [Format::Binary, Format::Text];
        assert_eq!(spread(&[1, 0], 2, "result").unwrap(), both);
        assert_eq!(spread(&[1, 0], 3, "result").unwrap_err().sqlstate, "08P01");
    }
}
