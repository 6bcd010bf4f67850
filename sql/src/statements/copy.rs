//! COPY … TO a file.

use datafusion::common::ScalarValue;
use datafusion::sql::parser::{CopyToStatement, Statement as Ast};

use crate::error::Result;
use crate::session::core::Session;
use crate::statement::Outcome;
use crate::statements::query;
use crate::user_tables::replacement_file::ReplacementFile;

/// COPY writes files only where the configuration lets it.
pub(super) async fn copy_to(
    session: &Session,
    statement: &CopyToStatement,
    values: &[ScalarValue],
) -> Result<Outcome> {
    let path = session.database().files.writable(&statement.target)?;
    let mut statement = statement.clone();
    let is_file = path.extension().is_some() && statement.partitioned_by.is_empty();
    if !is_file {
        statement.target = path.to_string_lossy().into_owned();
        return query::run(session, &Ast::CopyTo(statement), values).await;
    }
    let replacement = ReplacementFile::beside(&path);
    statement.target = replacement.path.to_string_lossy().into_owned();
    let outcome = query::run(session, &Ast::CopyTo(statement), values).await?;
    replacement.publish(&path)?;
    Ok(outcome)
}
