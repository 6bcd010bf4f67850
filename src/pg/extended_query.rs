//! The extended protocol: prepared statements, and portals that are executed a number of rows at a time.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use hyprstream_sql::{Outcome, Prepared, Statement};

use super::connection::Connection;
use super::errors::{Failure, Report};
use super::messages::{Bind, Format, Target};
use super::parameters::{self, ParameterType};
use super::replies;
use super::rows::{self, Progress, Rows, command_tag};
use super::types;

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

impl Connection {
    /// Plans a statement and keeps it under `name`.
    pub(super) async fn parse(&mut self, name: String, query: &str, oids: &[u32]) -> Result<(), Failure> {
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Report::error("42P05", message).into());
        }
        check_kept(self.statements.len(), "prepared statements")?;
        let mut statements = self.session.parse(query)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Report::error("42601", message).into());
        }
        let Some(statement) = statements.pop() else {
            return Err(Report::error("42601", "there is no statement to prepare").into());
        };
        let declared: Vec<Option<DataType>> = oids.iter().map(|oid| types::parameter_type(*oid)).collect();
        let session = self.session.clone();
        self.registration.switch.arm();
        let prepared = self.attend(session.prepare(&statement, &declared)).await;
        self.registration.switch.disarm();
        let prepared = prepared??;
        let parameters = parameter_types(&prepared, oids, &declared);
        let statement = PreparedStatement {
            statement,
            prepared,
            parameters,
        };
        self.statements.insert(name, Arc::new(statement));
        replies::parse_complete(&mut self.output.buffer);
        Ok(())
    }

    /// Makes a portal of a statement and its parameters.
    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let statement = self.statement(&bind.statement)?.clone();
        if bind.portal.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(&bind.portal) {
            return Err(Report::error("42P03", format!("portal \"{}\" already exists", bind.portal)).into());
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
        let parameter_formats = spread(&bind.parameter_formats, expected, "parameter")?;
        let parameters = bind
            .parameters
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                parameters::read(
                    index,
                    &statement.parameters[index],
                    parameter_formats[index],
                    value,
                )
            })
            .collect::<Result<_, _>>()?;
        let formats = spread(
            &bind.result_formats,
            statement.prepared.schema.fields().len(),
            "result",
        )?;
        let portal = Portal {
            statement,
            parameters,
            formats,
            state: State::Bound,
        };
        self.portals.insert(bind.portal, portal);
        replies::bind_complete(&mut self.output.buffer);
        Ok(())
    }

    /// Says what a statement takes and what it or a portal returns.
    pub(super) fn describe(&mut self, target: Target, name: &str) -> Result<(), Failure> {
        let columns = match target {
            Target::Statement => {
                let statement = self.statement(name)?.clone();
                let oids: Vec<u32> = statement
                    .parameters
                    .iter()
                    .map(|parameter| parameter.oid)
                    .collect();
                replies::parameter_description(&mut self.output.buffer, &oids);
                let schema = &statement.prepared.schema;
                statement
                    .prepared
                    .is_query
                    .then(|| rows::describe(schema, |_| Format::Text))
            }
            Target::Portal => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                let prepared = &portal.statement.prepared;
                prepared
                    .is_query
                    .then(|| rows::describe(&prepared.schema, |index| portal.formats[index]))
            }
        };
        match columns {
            Some(columns) => rows::write_description(&columns, &mut self.output.buffer),
            None => replies::no_data(&mut self.output.buffer),
        }
        Ok(())
    }

    /// Runs a portal, or goes on with it.
    pub(super) async fn execute(&mut self, name: &str, max_rows: usize) -> Result<(), Failure> {
        // The portal is out of the map while it runs, so a failure drops it and with it the work.
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        self.registration.switch.arm();
        let result = self.run_portal(&mut portal, max_rows).await;
        self.registration.switch.disarm();
        result?;
        self.portals.insert(name.to_string(), portal);
        self.flush_if_full().await
    }

    async fn run_portal(&mut self, portal: &mut Portal, max_rows: usize) -> Result<(), Failure> {
        if matches!(portal.state, State::Bound) {
            let statement = portal.statement.clone();
            match self.start(&statement.statement, &portal.parameters).await? {
                Outcome::Rows { tag, schema, stream } => {
                    if schema.fields().len() != portal.formats.len() {
                        let message = "cached plan must not change result type";
                        return Err(Report::error("0A000", message).into());
                    }
                    let rows = Rows::new(tag, &schema, stream, |index| portal.formats[index]);
                    portal.state = State::Running(rows);
                }
                Outcome::Command { tag, rows } => {
                    portal.state = State::Done;
                    self.pending_notices();
                    replies::command_complete(&mut self.output.buffer, &command_tag(&tag, rows));
                    return Ok(());
                }
                Outcome::Empty => {
                    portal.state = State::Done;
                    replies::empty_query(&mut self.output.buffer);
                    return Ok(());
                }
            }
        }
        match std::mem::replace(&mut portal.state, State::Done) {
            State::Running(mut rows) => {
                if self.send_rows(&mut rows, max_rows).await? == Progress::Suspended {
                    replies::portal_suspended(&mut self.output.buffer);
                    portal.state = State::Running(rows);
                } else {
                    replies::command_complete(&mut self.output.buffer, &rows.tag());
                    portal.state = State::Exhausted(rows);
                }
                Ok(())
            }
            State::Exhausted(mut rows) => {
                replies::command_complete(&mut self.output.buffer, &rows.tag());
                portal.state = State::Exhausted(rows);
                Ok(())
            }
            State::Bound | State::Done => Err(Report::error("55000", "portal cannot be run again").into()),
        }
    }

    /// Forgets a statement or portal; one that is not there is no error.
    pub(super) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => drop(self.statements.remove(name)),
            Target::Portal => drop(self.portals.remove(name)),
        }
        replies::close_complete(&mut self.output.buffer);
    }

    fn statement(&self, name: &str) -> Result<&Arc<PreparedStatement>, Report> {
        self.statements.get(name).ok_or_else(|| match name {
            "" => Report::error("26000", "unnamed prepared statement does not exist"),
            name => Report::error("26000", format!("prepared statement \"{name}\" does not exist")),
        })
    }
}

fn no_portal(name: &str) -> Report {
    Report::error("34000", format!("portal \"{name}\" does not exist"))
}

fn check_kept(kept: usize, what: &str) -> Result<(), Report> {
    if kept < MAX_KEPT {
        return Ok(());
    }
    Err(
        Report::error("54000", format!("a connection keeps at most {MAX_KEPT} {what}"))
            .with_hint("close those that are no longer needed"),
    )
}

/// The type of each parameter: on the wire as the client declared it, in the plan as it was inferred.
fn parameter_types(prepared: &Prepared, oids: &[u32], declared: &[Option<DataType>]) -> Vec<ParameterType> {
    let parameters = prepared.parameter_types.iter().enumerate();
    parameters
        .map(|(index, data_type)| ParameterType {
            oid: match declared.get(index) {
                Some(Some(_)) => oids[index],
                _ => types::type_oid(data_type),
            },
            data_type: data_type.clone(),
        })
        .collect()
}

/// Format codes come once for all, one for each, or not at all.
fn spread(formats: &[Format], count: usize, what: &str) -> Result<Vec<Format>, Report> {
    match formats {
        [] => Ok(vec![Format::Text; count]),
        [format] => Ok(vec![*format; count]),
        formats if formats.len() == count => Ok(formats.to_vec()),
        formats => Err(Report::error(
            "08P01",
            format!(
                "bind message has {} {what} formats but {count} are needed",
                formats.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_format_stands_for_all_columns() {
        assert_eq!(spread(&[], 2, "result").unwrap(), [Format::Text; 2]);
        assert_eq!(
            spread(&[Format::Binary], 3, "result").unwrap(),
            [Format::Binary; 3]
        );
        let both = [Format::Binary, Format::Text];
        assert_eq!(spread(&both, 2, "result").unwrap(), both);
        assert_eq!(spread(&both, 3, "result").unwrap_err().sqlstate, "08P01");
    }
}
