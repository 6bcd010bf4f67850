//! CREATE TABLE, CREATE TABLE AS, CREATE EXTERNAL TABLE, DROP TABLE, TRUNCATE.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::{CreateExternalTable, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    ColumnOption, CreateTable, DataType as SqlType, ObjectType, Statement as SqlStatement, Truncate,
};
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::rewrite::syntax::folded;
use crate::session::core::Session;
use crate::session::parameters::{value_types, with_types};
use crate::statement::{Outcome, Severity};
use crate::statements::query;
use crate::statements::table_names::{external_is_fixed, no_such_table, user_table_name};
use crate::user_tables::definition::StoredDefinition;
use crate::user_tables::external::{ExternalTable, load_external};
use crate::user_tables::store::already_exists;
use crate::user_tables::table::UserTable;
use crate::user_tables::writer::{PartWriter, storable_schema};

pub(super) async fn create_table(
    session: &Session,
    create: &CreateTable,
    ast: &Ast,
    values: &[ScalarValue],
) -> Result<Outcome> {
    if create.temporary {
        return Err(Error::unsupported("CREATE TEMPORARY TABLE"));
    }
    refuse_generated(create)?;
    let name = user_table_name(&create.name)?;
    if exists_already(session, &name, create.if_not_exists, create.or_replace)? {
        return Ok(Outcome::command("CREATE TABLE"));
    }
    let mut state = session.state()?;
    let ast = with_types(ast.clone(), &value_types(values));
    let plan = session.plan(&state, ast).await?;
    let plan = session.bind(plan, values)?;
    let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(planned)) = plan else {
        return Err(Error::unsupported("this form of CREATE TABLE"));
    };
    let with_rows = create.query.is_some();
    let all_take_null = with_rows && create.columns.is_empty();
    let schema = storable_schema(planned.input.schema().as_arrow(), all_take_null)?;
    let definition = StoredDefinition::try_new(&schema, defaults(create))?;
    let tables = &session.database().tables;
    let mut written = None;
    let mut rows = 0;
    if with_rows {
        let mut writer = PartWriter::try_new(tables.catalog().parts(), &name, &definition, &schema)?;
        let mut stream = session.stream(&mut state, &planned.input).await?;
        while let Some(batch) = stream.next().await {
            writer.write(&batch.map_err(|e| session.error(&e))?)?;
        }
        rows = writer.rows();
        written = Some(writer);
    }
    tables.create(&name, definition, written, create.or_replace)?;
    session.wrote();
    warn_of_constraints(session, &name, create);
    Ok(if with_rows { Outcome::counted("SELECT", rows) } else { Outcome::command("CREATE TABLE") })
}

/// The types of the parameters in the query that a table is made of.
pub(super) async fn parameter_types(
    session: &Session,
    create: &CreateTable,
    declared: &[Option<DataType>],
) -> Result<Vec<DataType>> {
    let Some(query) = &create.query else {
        return Ok(Vec::new());
    };
    let rows = Ast::Statement(Box::new(SqlStatement::Query(query.clone())));
    Ok(query::prepare(session, &rows, declared).await?.parameter_types)
}

/// True when there is nothing left to do, because the table is there and may be.
fn exists_already(session: &Session, name: &str, if_not_exists: bool, or_replace: bool) -> Result<bool> {
    if session.database().tables.get(name).is_none() || or_replace {
        return Ok(false);
    }
    if if_not_exists {
        session.notice(Severity::Notice, format!("table \"{name}\" already exists, skipping"));
        return Ok(true);
    }
    Err(already_exists(name))
}

fn warn_of_constraints(session: &Session, name: &str, create: &CreateTable) {
    let on_column = create.columns.iter().flat_map(|c| &c.options).any(|option| {
        matches!(
            option.option,
            ColumnOption::PrimaryKey(_)
                | ColumnOption::Unique(_)
                | ColumnOption::ForeignKey(_)
                | ColumnOption::Check(_)
        )
    });
    if on_column || !create.constraints.is_empty() {
        let message = format!(
            "the constraints of table \"{name}\" other than NOT NULL are not enforced in this version"
        );
        session.notice(Severity::Warning, message);
    }
    if create.columns.iter().any(|column| has_length(&column.data_type)) {
        let message = format!("the lengths of the text columns of table \"{name}\" are not enforced");
        session.notice(Severity::Warning, message);
    }
}

pub(super) async fn create_external_table(
    session: &Session,
    create: &CreateExternalTable,
) -> Result<Outcome> {
    let name = user_table_name(&create.name)?;
    if exists_already(session, &name, create.if_not_exists, create.or_replace)? {
        return Ok(Outcome::command("CREATE TABLE"));
    }
    let state = session.state()?;
    let loaded = load_external(&state, create.clone(), &session.database().files)
        .await
        .map_err(|e| naming(&create.locations, &session.error(&e)))?;
    let table = ExternalTable::new(create, loaded);
    session.database().tables.create_external(&name, table, create.or_replace)?;
    session.wrote();
    Ok(Outcome::command("CREATE TABLE"))
}

pub(super) fn drop_tables(session: &Session, statement: &SqlStatement) -> Result<Outcome> {
    let SqlStatement::Drop { object_type, if_exists, names, .. } = statement else {
        return Err(Error::unsupported("this statement"));
    };
    if *object_type != ObjectType::Table {
        return Err(Error::unsupported(&format!("DROP {object_type}")));
    }
    let names: Vec<String> = names.iter().map(user_table_name).collect::<Result<_>>()?;
    if !if_exists
        && let Some(missing) = names.iter().find(|name| session.database().tables.get(name).is_none())
    {
        return Err(no_such_table(session, missing));
    }
    for name in names {
        if session.database().tables.remove(&name)? {
            session.wrote();
        } else {
            session.notice(Severity::Notice, format!("table \"{name}\" does not exist, skipping"));
        }
    }
    Ok(Outcome::command("DROP TABLE"))
}

pub(super) fn truncate(session: &Session, truncate: &Truncate) -> Result<Outcome> {
    for target in &truncate.table_names {
        let name = user_table_name(&target.name)?;
        match session.database().tables.get(&name) {
            Some(UserTable::Stored(table)) => {
                session.database().tables.replace(&table, table.revision(), None)?;
            }
            Some(UserTable::External(_)) => return Err(external_is_fixed(&name, "TRUNCATE")),
            Some(UserTable::Damaged(error)) => return Err(error),
            None => return Err(no_such_table(session, &name)),
        }
        session.wrote();
    }
    Ok(Outcome::command("TRUNCATE TABLE"))
}

/// An error of reading files, with their names.
fn naming(locations: &[String], error: &Error) -> Error {
    let files = locations.join(", ");
    if locations.iter().any(|location| error.message().contains(location)) {
        return error.clone();
    }
    let named = Error::new(error.kind(), format!("{files}: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// Rows would get NULL where a number is meant to come by itself.
fn refuse_generated(create: &CreateTable) -> Result<()> {
    let generated = create.columns.iter().find(|column| {
        column
            .options
            .iter()
            .any(|option| matches!(option.option, ColumnOption::Generated { .. } | ColumnOption::Identity(_)))
    });
    match generated {
        Some(column) => {
            Err(Error::unsupported(&format!("column \"{}\" GENERATED or IDENTITY", column.name.value)))
        }
        None => Ok(()),
    }
}

fn has_length(data_type: &SqlType) -> bool {
    matches!(
        data_type,
        SqlType::Varchar(Some(_))
            | SqlType::CharVarying(Some(_))
            | SqlType::CharacterVarying(Some(_))
            | SqlType::Char(Some(_))
            | SqlType::Character(Some(_))
    )
}

fn defaults(create: &CreateTable) -> Vec<(String, String)> {
    let mut defaults = Vec::new();
    for column in &create.columns {
        for option in &column.options {
            if let ColumnOption::Default(expr) = &option.option {
                defaults.push((folded(&column.name), expr.to_string()));
            }
        }
    }
    defaults
}
