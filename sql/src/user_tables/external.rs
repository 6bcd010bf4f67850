//! Tables over files elsewhere, and which files SQL may read and write.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{TableProvider, TableProviderFactory};
use datafusion::common::{Result as PlanResult, plan_err};
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{CreateExternalTable as ExternalCommand, DdlStatement, LogicalPlan};
use datafusion::sql::parser::{CreateExternalTable, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

use crate::error::{Error, ErrorKind, Result};

/// The directories under which SQL may read and write files.
#[derive(Debug, Clone)]
pub(crate) struct FilePaths {
    files: PathBuf,
    allowed: Vec<PathBuf>,
}

impl FilePaths {
    /// `files` is where relative paths begin; `others` are allowed beside it.
    pub(crate) fn try_new(files: &Path, others: &[PathBuf]) -> Result<Self> {
        std::fs::create_dir_all(files).map_err(|e| Error::io("create", files, &e))?;
        let mut allowed = Vec::with_capacity(others.len() + 1);
        for directory in std::iter::once(files).chain(others.iter().map(PathBuf::as_path)) {
            allowed.push(directory.canonicalize().map_err(|e| Error::io("open", directory, &e))?);
        }
        Ok(Self { files: allowed[0].clone(), allowed })
    }

    /// The file or directory that a location means, links and `..` resolved, if it may be read.
    pub(crate) fn readable(&self, location: &str) -> Result<PathBuf> {
        let path = self.absolute(location)?;
        let resolved = path.canonicalize().map_err(|e| self.unresolved(location, &path, &e))?;
        self.expect_allowed(location, resolved)
    }

    /// The file that a location means, if it may be written; its directory must be there.
    pub(crate) fn writable(&self, location: &str) -> Result<PathBuf> {
        let path = self.absolute(location)?;
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::new(ErrorKind::InvalidParameter, format!("\"{location}\" is not a file")));
        };
        let directory = directory.canonicalize().map_err(|e| self.unresolved(location, directory, &e))?;
        let resolved = directory.join(name);
        let resolved = if resolved.is_symlink() {
            resolved.canonicalize().map_err(|e| Error::io("open", &resolved, &e))?
        } else {
            resolved
        };
        self.expect_allowed(location, resolved)
    }

    fn absolute(&self, location: &str) -> Result<PathBuf> {
        if let Some((scheme, _)) = location.split_once("://")
            && scheme != "file"
        {
            let message = format!("\"{location}\": only local files can be read and written");
            return Err(Error::new(ErrorKind::FeatureNotSupported, message));
        }
        let location = location.strip_prefix("file://").unwrap_or(location);
        Ok(self.files.join(location))
    }

    /// The error for a path that cannot be resolved. Outside the allowed directories it must not tell what is there.
    fn unresolved(&self, location: &str, path: &Path, error: &std::io::Error) -> Error {
        let mut plain = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                component => plain.push(component),
            }
        }
        match self.expect_allowed(location, plain) {
            Ok(_) => Error::io("open", path, error),
            Err(outside) => outside,
        }
    }

    fn expect_allowed(&self, location: &str, resolved: PathBuf) -> Result<PathBuf> {
        if self.allowed.iter().any(|directory| resolved.starts_with(directory)) {
            return Ok(resolved);
        }
        let message = format!("\"{location}\" is outside the directories that SQL may use");
        let hint =
            format!("Put the file under {} or add its directory to the configuration.", self.files.display());
        Err(Error::new(ErrorKind::InsufficientPrivilege, message).with_hint(hint))
    }
}

/// A table over files elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct ExternalTable {
    pub(crate) statement: String,
    pub(super) loaded: Option<Loaded>,
    /// Why there was nothing to read through when it was last asked for.
    pub(super) failure: Option<Error>,
}

/// What an external table reads through.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) provider: Arc<dyn TableProvider>,
    /// Where its files are, as the statement says it.
    locations: Vec<String>,
}

impl ExternalTable {
    /// A table that was planned just now.
    pub(crate) fn new(create: &CreateExternalTable, loaded: Loaded) -> Self {
        Self { statement: definition(create), loaded: Some(loaded), failure: None }
    }

    /// A table as the catalog keeps it.
    pub(super) fn kept(statement: String) -> Self {
        Self { statement, loaded: None, failure: None }
    }

    /// What reads its files, which must be where it may read.
    pub(crate) async fn load(&self, state: &SessionState, files: &FilePaths) -> PlanResult<Loaded> {
        if let Some(loaded) = &self.loaded {
            loaded.locations.iter().try_for_each(|location| files.readable(location).map(drop))?;
            return Ok(loaded.clone());
        }
        load_external(state, parse_definition(&self.statement)?, files).await
    }

    /// The columns that its statement lists; none when it leaves them to the files.
    pub(crate) async fn declared_columns(&self, state: &SessionState) -> PlanResult<SchemaRef> {
        let command = planned(state, parse_definition(&self.statement)?).await?;
        Ok(Arc::clone(command.schema.inner()))
    }
}

/// The table that a `CREATE EXTERNAL TABLE` statement describes. Its paths are checked each time, because a link may
/// lead elsewhere by now.
pub(crate) async fn load_external(
    state: &SessionState,
    mut statement: CreateExternalTable,
    files: &FilePaths,
) -> PlanResult<Loaded> {
    let locations = statement.locations.clone();
    for location in &mut statement.locations {
        let path = files.readable(location)?;
        let slash = if path.is_dir() { "/" } else { "" };
        *location = format!("{}{slash}", path.display());
    }
    let command = planned(state, statement).await?;
    let provider = ListingTableFactory::new().create(state, &command).await?;
    Ok(Loaded { provider, locations })
}

async fn planned(
    state: &SessionState,
    mut statement: CreateExternalTable,
) -> PlanResult<Box<ExternalCommand>> {
    // Planning looks the name up, and the name that is being loaded must not ask for itself.
    statement.name = ObjectName::from(vec![Ident::new("__external_table")]);
    let plan = state.statement_to_plan(Statement::CreateExternalTable(statement)).await?;
    if let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(command)) = plan {
        Ok(command)
    } else {
        plan_err!("the definition of an external table is damaged")
    }
}

/// The text that the catalog keeps of an external table: the whole statement.
fn definition(create: &CreateExternalTable) -> String {
    let CreateExternalTable {
        name,
        columns,
        file_type,
        locations,
        table_partition_cols,
        order_exprs,
        options,
        ..
    } = create;
    let mut text = format!("CREATE EXTERNAL TABLE {name} ");
    if !columns.is_empty() {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        text += &format!("({}) ", columns.join(", "));
    }
    text += &format!("STORED AS {file_type} ");
    if !table_partition_cols.is_empty() {
        text += &format!("PARTITIONED BY ({}) ", table_partition_cols.join(", "));
    }
    let quoted: Vec<String> = locations.iter().map(|l| format!("'{}'", l.replace('\'', "''"))).collect();
    for order in order_exprs {
        let keys: Vec<String> = order.iter().map(ToString::to_string).collect();
        text += &format!("WITH ORDER ({}) ", keys.join(", "));
    }
    text += &format!("LOCATION ({})", quoted.join(", "));
    if !options.is_empty() {
        let options: Vec<String> =
            options.iter().map(|(k, v)| format!("'{}' {v}", k.replace('\'', "''"))).collect();
        text += &format!(" OPTIONS ({})", options.join(", "));
    }
    text
}

/// Reads a kept definition.
fn parse_definition(text: &str) -> PlanResult<CreateExternalTable> {
    let parsed = DFParserBuilder::new(text).with_dialect(&PostgreSqlDialect {}).build()?.parse_statement()?;
    if let Statement::CreateExternalTable(statement) = parsed {
        Ok(statement)
    } else {
        plan_err!("the definition of an external table is damaged")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> (tempfile::TempDir, FilePaths) {
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path().join("files");
        let paths = FilePaths::try_new(&files, &[]).unwrap();
        std::fs::write(files.join("inside.csv"), "a\n1\n").unwrap();
        std::fs::write(directory.path().join("outside.csv"), "a\n1\n").unwrap();
        (directory, paths)
    }

    #[test]
    fn a_kept_definition_says_what_the_statement_said() {
        for text in [
            "CREATE EXTERNAL TABLE t (n INT, \"T\" TEXT) STORED AS CSV WITH ORDER (n, \"T\" DESC NULLS LAST) \
             WITH ORDER (\"T\") LOCATION 'it''s.csv' OPTIONS ('format.has_header' 'true')",
            "CREATE EXTERNAL TABLE t STORED AS PARQUET PARTITIONED BY (day) LOCATION ('a', 'b')",
        ] {
            let statement = parse_definition(text).unwrap();
            let kept = parse_definition(&definition(&statement)).unwrap();
            assert_eq!(kept, statement, "{}", definition(&statement));
        }
    }

    #[test]
    fn a_file_inside_is_found_by_its_relative_and_its_whole_path() {
        let (directory, paths) = paths();
        let found = paths.readable("inside.csv").unwrap();
        assert!(found.ends_with("files/inside.csv"));
        assert_eq!(
            paths.readable(&directory.path().join("files/inside.csv").to_string_lossy()).unwrap(),
            found
        );
    }

    #[test]
    fn a_way_out_by_dots_links_or_another_path_is_refused() {
        let (directory, paths) = paths();
        let outside = directory.path().join("outside.csv");
        std::os::unix::fs::symlink(&outside, directory.path().join("files/link.csv")).unwrap();
        for location in ["../outside.csv", "link.csv", &outside.to_string_lossy()] {
            let error = paths.readable(location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InsufficientPrivilege, "{location}");
            assert_eq!(
                paths.writable(location).unwrap_err().kind(),
                ErrorKind::InsufficientPrivilege,
                "{location}"
            );
        }
        assert_eq!(paths.readable("s3://bucket/x").unwrap_err().kind(), ErrorKind::FeatureNotSupported);
        assert_eq!(paths.readable("missing.csv").unwrap_err().kind(), ErrorKind::IoError);
        assert!(paths.writable("new.csv").is_ok());
    }
}
