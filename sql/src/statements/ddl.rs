//! CREATE TABLE, CREATE TABLE AS, CREATE EXTERNAL TABLE, DROP TABLE, TRUNCATE.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::{CreateExternalTable, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    ColumnOption, CreateTable, DataType as SqlType, ObjectName, ObjectType, Statement as SqlStatement,
    Truncate,
};
use futures::StreamExt;

use super::{Session, command, parameters};
use crate::catalog::{DATABASE, SYSTEM_SCHEMA, USER_SCHEMA};
use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::statement::{Outcome, Severity};
use crate::user_tables::{
    ExternalTable, PartWriter, StoredDefinition, UserTable, already_exists, load_external, storable_schema,
};

impl Session {
    pub(super) async fn create_table(
        &self,
        create: &CreateTable,
        ast: &Ast,
        values: &[ScalarValue],
    ) -> Result<Outcome> {
        if create.temporary {
            return Err(super::unsupported("CREATE TEMPORARY TABLE"));
        }
        refuse_generated(create)?;
        let name = user_table_name(&create.name)?;
        if self.exists_already(&name, create.if_not_exists, create.or_replace)? {
            return Ok(command("CREATE TABLE"));
        }
        let mut state = self.state()?;
        let ast = parameters::with_types(ast.clone(), &parameters::types_of(values));
        let plan = self.plan(&state, ast).await?;
        let plan = self.bind(plan, values)?;
        let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(planned)) = plan else {
            return Err(super::unsupported("this form of CREATE TABLE"));
        };
        let with_rows = create.query.is_some();
        let all_take_null = with_rows && create.columns.is_empty();
        let schema = storable_schema(planned.input.schema().as_arrow(), all_take_null)?;
        let definition = StoredDefinition::try_new(&schema, defaults(create))?;
        let tables = &self.database().tables;
        let mut written = None;
        let mut rows = 0;
        if with_rows {
            let mut writer = PartWriter::try_new(tables.directory(), &schema)?;
            let mut stream = self.stream(&mut state, &planned.input).await?;
            while let Some(batch) = stream.next().await {
                writer.write(&batch.map_err(|e| self.error(&e))?)?;
            }
            rows = writer.rows();
            written = Some(writer);
        }
        tables.create(&name, definition, written, create.or_replace)?;
        self.wrote();
        self.warn_of_constraints(&name, create);
        Ok(if with_rows {
            Outcome::Command { tag: "SELECT".to_owned(), rows: Some(rows) }
        } else {
            command("CREATE TABLE")
        })
    }

    /// The types of the parameters in the query that a table is made of.
    pub(super) async fn parameters_of_rows(
        &self,
        create: &CreateTable,
        declared: &[Option<DataType>],
    ) -> Result<Vec<DataType>> {
        let Some(query) = &create.query else {
            return Ok(Vec::new());
        };
        let query = Ast::Statement(Box::new(SqlStatement::Query(query.clone())));
        Ok(self.prepare_plan(&query, declared).await?.parameter_types)
    }

    /// True when there is nothing left to do, because the table is there and may be.
    fn exists_already(&self, name: &str, if_not_exists: bool, or_replace: bool) -> Result<bool> {
        if self.database().tables.get(name).is_none() || or_replace {
            return Ok(false);
        }
        if if_not_exists {
            self.notice(Severity::Notice, format!("table \"{name}\" already exists, skipping"));
            return Ok(true);
        }
        Err(already_exists(name))
    }

    fn warn_of_constraints(&self, name: &str, create: &CreateTable) {
        let of_column = create.columns.iter().flat_map(|c| &c.options).any(|option| {
            matches!(
                option.option,
                ColumnOption::PrimaryKey(_)
                    | ColumnOption::Unique(_)
                    | ColumnOption::ForeignKey(_)
                    | ColumnOption::Check(_)
            )
        });
        if of_column || !create.constraints.is_empty() {
            let message = format!(
                "the constraints of table \"{name}\" other than NOT NULL are not enforced in this version"
            );
            self.notice(Severity::Warning, message);
        }
        if create.columns.iter().any(|column| has_length(&column.data_type)) {
            let message = format!("the lengths of the text columns of table \"{name}\" are not enforced");
            self.notice(Severity::Warning, message);
        }
    }

    pub(super) async fn create_external_table(&self, create: &CreateExternalTable) -> Result<Outcome> {
        let name = user_table_name(&create.name)?;
        if self.exists_already(&name, create.if_not_exists, create.or_replace)? {
            return Ok(command("CREATE TABLE"));
        }
        let state = self.state()?;
        let provider = load_external(&state, create.clone(), &self.database().files)
            .await
            .map_err(|e| naming(&create.locations, &self.error(&e)))?;
        let table = ExternalTable::new(create, provider);
        self.database().tables.create_external(&name, table, create.or_replace)?;
        self.wrote();
        Ok(command("CREATE TABLE"))
    }

    pub(super) fn drop_tables(&self, statement: &SqlStatement) -> Result<Outcome> {
        let SqlStatement::Drop { object_type, if_exists, names, .. } = statement else {
            return Err(super::unsupported("this statement"));
        };
        if *object_type != ObjectType::Table {
            return Err(super::unsupported(&format!("DROP {object_type}")));
        }
        let names: Vec<String> = names.iter().map(user_table_name).collect::<Result<_>>()?;
        if !if_exists
            && let Some(missing) = names.iter().find(|name| self.database().tables.get(name).is_none())
        {
            return Err(self.no_such_table(missing));
        }
        for name in names {
            if self.database().tables.remove(&name)? {
                self.wrote();
            } else {
                self.notice(Severity::Notice, format!("table \"{name}\" does not exist, skipping"));
            }
        }
        Ok(command("DROP TABLE"))
    }

    pub(super) fn truncate(&self, truncate: &Truncate) -> Result<Outcome> {
        for target in &truncate.table_names {
            let name = user_table_name(&target.name)?;
            match self.database().tables.get(&name) {
                Some(UserTable::Stored(table)) => self.database().tables.replace(&table, None)?,
                Some(UserTable::External(_)) => return Err(external_is_fixed(&name, "TRUNCATE")),
                None => return Err(self.no_such_table(&name)),
            }
            self.wrote();
        }
        Ok(command("TRUNCATE TABLE"))
    }

    pub(super) fn no_such_table(&self, name: &str) -> Error {
        let database = self.database();
        if database.system.names().iter().any(|system| system == name) {
            let message = format!("\"{name}\" is a system table; it cannot be changed by hand");
            return Error::new(ErrorKind::InsufficientPrivilege, message);
        }
        let names = database.tables.names();
        let near = suggestion(name, names.iter().map(String::as_str));
        Error::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist{near}"))
    }
}

/// An error of reading files, with their names.
fn naming(locations: &[String], error: &Error) -> Error {
    let places = locations.join(", ");
    if locations.iter().any(|location| error.message().contains(location)) {
        return error.clone();
    }
    let named = Error::new(error.kind(), format!("{places}: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

pub(super) fn external_is_fixed(name: &str, what: &str) -> Error {
    let message = format!("{what}: table \"{name}\" reads files that it does not own");
    Error::new(ErrorKind::FeatureNotSupported, message)
}

/// The bare name of a user's table.
pub(super) fn user_table_name(name: &ObjectName) -> Result<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(
            |ident| {
                if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
            },
        )
        .collect();
    let wrong = |kind, message: String| Err(Error::new(kind, message));
    match parts.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [table] | [USER_SCHEMA, table] | [DATABASE, USER_SCHEMA, table] => Ok((*table).to_owned()),
        [schema @ (SYSTEM_SCHEMA | "pg_catalog" | "information_schema"), _] => wrong(
            ErrorKind::InsufficientPrivilege,
            format!(
                "the tables of schema \"{schema}\" cannot be changed by hand; your own are in \"{USER_SCHEMA}\""
            ),
        ),
        [schema, _] => wrong(ErrorKind::UndefinedSchema, format!("schema \"{schema}\" does not exist")),
        _ => wrong(ErrorKind::UndefinedDatabase, format!("there is no database for \"{name}\"")),
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
            Err(super::unsupported(&format!("column \"{}\" GENERATED or IDENTITY", column.name.value)))
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
                let name = if column.name.quote_style.is_some() {
                    column.name.value.clone()
                } else {
                    column.name.value.to_lowercase()
                };
                defaults.push((name, expr.to_string()));
            }
        }
    }
    defaults
}
