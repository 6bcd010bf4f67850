//! The names of tables that statements change.

use datafusion::sql::sqlparser::ast::ObjectName;

use crate::catalog::{DATABASE, SYSTEM_SCHEMA, USER_SCHEMA};
use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::rewrite::syntax::folded;
use crate::session::core::Session;

/// The bare name of a user's table.
pub(super) fn user_table_name(name: &ObjectName) -> Result<String> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
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

/// The error for a name that is no table of the users.
pub(super) fn no_such_table(session: &Session, name: &str) -> Error {
    let database = session.database();
    if database.system.names().iter().any(|system| system == name) {
        let message = format!("\"{name}\" is a system table; it cannot be changed by hand");
        return Error::new(ErrorKind::InsufficientPrivilege, message);
    }
    let names = database.tables.names();
    let near = suggestion(name, names.iter().map(String::as_str));
    Error::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist{near}"))
}

/// The error for changing a table over files elsewhere.
pub(super) fn external_is_fixed(name: &str, what: &str) -> Error {
    let message = format!("{what}: table \"{name}\" reads files that it does not own");
    Error::new(ErrorKind::FeatureNotSupported, message)
}
