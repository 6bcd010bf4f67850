//! The tables by name, and how they change.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::CreateExternalTable;
use hyprstream_engine::{DamageRow, Engine};
use parking_lot::{Mutex, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::definition::{Definition, StoredDefinition};
use crate::user_tables::external::{self, FilePaths};
use crate::user_tables::part::Part;
use crate::user_tables::writer::PartWriter;

const PREFIX: &str = "table/";

/// All tables of the users.
#[derive(Debug)]
pub(crate) struct UserTables {
    engine: Arc<Engine>,
    directory: PathBuf,
    tables: RwLock<BTreeMap<String, UserTable>>,
    /// Held while a definition changes, so that the catalog and the map say the same.
    changing: Mutex<()>,
}

/// A table as a name finds it.
#[derive(Debug, Clone)]
pub(crate) enum UserTable {
    /// Parts in the data directory.
    Stored(Arc<StoredTable>),
    /// Files elsewhere, read through this provider.
    External(ExternalTable),
}

/// A table over files elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct ExternalTable {
    pub(crate) statement: String,
    pub(crate) provider: Option<Arc<dyn TableProvider>>,
}

impl ExternalTable {
    /// A table that was planned just now.
    pub(crate) fn new(create: &CreateExternalTable, provider: Arc<dyn TableProvider>) -> Self {
        Self { statement: external::definition(create), provider: Some(provider) }
    }

    /// What reads its files.
    pub(crate) async fn load(
        &self,
        state: &SessionState,
        files: &FilePaths,
    ) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        external::load_external(state, external::parse_definition(&self.statement)?, files).await
    }
}

/// A table of parts at one moment. A change makes another one.
#[derive(Debug)]
pub(crate) struct StoredTable {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    pub(super) definition: StoredDefinition,
    pub(super) parts: Vec<Arc<Part>>,
}

impl UserTables {
    /// Reads the definitions, and removes parts that none of them has.
    pub(crate) fn open(engine: Arc<Engine>) -> Result<Self> {
        let directory = engine.tables_dir();
        std::fs::create_dir_all(&directory).map_err(|e| Error::io("create", &directory, &e))?;
        let mut tables = BTreeMap::new();
        for (key, bytes) in engine.definitions().scan(PREFIX)? {
            let Some(name) = key.strip_prefix(PREFIX) else {
                continue;
            };
            let table = match Definition::from_bytes(&bytes)? {
                Definition::Stored(definition) => {
                    UserTable::Stored(Arc::new(StoredTable::open(name, definition, &directory)?))
                }
                Definition::External { statement } => {
                    UserTable::External(ExternalTable { statement, provider: None })
                }
            };
            tables.insert(name.to_owned(), table);
        }
        remove_orphans(&directory, &tables)?;
        Ok(Self { engine, directory, tables: RwLock::new(tables), changing: Mutex::new(()) })
    }

    /// The directory that parts are written in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.read().keys().cloned().collect()
    }

    /// The table of a name.
    pub(crate) fn get(&self, name: &str) -> Option<UserTable> {
        self.tables.read().get(name).cloned()
    }

    /// Adds a stored table with the rows of a part.
    pub(crate) fn create(
        &self,
        name: &str,
        mut definition: StoredDefinition,
        writer: Option<PartWriter>,
        replace: bool,
    ) -> Result<()> {
        let part = writer.map(PartWriter::finish).transpose()?.flatten();
        let parts: Vec<Arc<Part>> = part.into_iter().collect();
        definition.parts = parts.iter().map(|part| part.name()).collect();
        let schema = definition.schema()?;
        let table = StoredTable { name: name.to_owned(), schema, definition, parts };
        let changing = self.changing.lock();
        self.expect_absent(name, replace)?;
        self.put(name, &UserTable::Stored(Arc::new(table)))?;
        drop(changing);
        Ok(())
    }

    /// Adds a table over files elsewhere.
    pub(crate) fn create_external(&self, name: &str, table: ExternalTable, replace: bool) -> Result<()> {
        let changing = self.changing.lock();
        self.expect_absent(name, replace)?;
        self.put(name, &UserTable::External(table))?;
        drop(changing);
        Ok(())
    }

    /// Keeps what an external table reads through, once it was planned.
    pub(crate) fn loaded(&self, name: &str, statement: &str, provider: &Arc<dyn TableProvider>) {
        let mut tables = self.tables.write();
        if let Some(UserTable::External(table)) = tables.get_mut(name)
            && table.statement == statement
        {
            table.provider = Some(Arc::clone(provider));
        }
    }

    /// Adds the rows of a part to a table as it is now.
    pub(crate) fn append(&self, name: &str, schema: &SchemaRef, writer: PartWriter) -> Result<u64> {
        let rows = writer.rows();
        let Some(part) = writer.finish()? else {
            return Ok(0);
        };
        let changing = self.changing.lock();
        let now = self.stored(name)?;
        if now.schema != *schema {
            return Err(changed_meanwhile(name));
        }
        let mut parts = now.parts.clone();
        parts.push(part);
        self.put(name, &UserTable::Stored(Arc::new(now.with_parts(parts))))?;
        drop(changing);
        Ok(rows)
    }

    /// Replaces all rows of `before` by those of a part, unless the table changed since.
    pub(crate) fn replace(&self, before: &Arc<StoredTable>, writer: Option<PartWriter>) -> Result<()> {
        let part = writer.map(PartWriter::finish).transpose()?.flatten();
        let changing = self.changing.lock();
        let now = self.stored(&before.name)?;
        if !Arc::ptr_eq(&now, before) {
            return Err(changed_meanwhile(&before.name));
        }
        let after = now.with_parts(part.into_iter().collect());
        self.put(&before.name, &UserTable::Stored(Arc::new(after)))?;
        drop(changing);
        Ok(())
    }

    /// Drops a table; says whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool> {
        let changing = self.changing.lock();
        let Some(table) = self.get(name) else {
            return Ok(false);
        };
        self.engine.definitions().remove(&format!("{PREFIX}{name}"))?;
        self.tables.write().remove(name);
        if let UserTable::Stored(table) = table {
            table.parts.iter().for_each(|part| part.retire());
        }
        drop(changing);
        Ok(true)
    }

    /// Reads every row of every stored table, and says which parts cannot be read.
    pub(crate) fn damages(&self) -> Vec<DamageRow> {
        let mut damages = Vec::new();
        for name in self.names() {
            let Some(UserTable::Stored(table)) = self.get(&name) else {
                continue;
            };
            for part in &table.parts {
                if let Some(reason) = part.fault(true) {
                    damages.push(DamageRow {
                        file: format!("tables/{}", part.name()),
                        what: format!("rows of table {name}"),
                        reason,
                        ..DamageRow::default()
                    });
                }
            }
        }
        damages
    }

    fn expect_absent(&self, name: &str, replace: bool) -> Result<()> {
        if !replace && self.get(name).is_some() {
            return Err(already_exists(name));
        }
        Ok(())
    }

    fn stored(&self, name: &str) -> Result<Arc<StoredTable>> {
        match self.get(name) {
            Some(UserTable::Stored(table)) => Ok(table),
            _ => Err(changed_meanwhile(name)),
        }
    }

    /// The durable write of the definition is the moment that a change happens.
    fn put(&self, name: &str, table: &UserTable) -> Result<()> {
        let definition = match table {
            UserTable::Stored(table) => Definition::Stored(table.definition.clone()),
            UserTable::External(table) => Definition::External { statement: table.statement.clone() },
        };
        self.engine.definitions().put(&format!("{PREFIX}{name}"), &definition.to_bytes()?)?;
        if let UserTable::Stored(table) = table {
            for part in &table.parts {
                part.keep();
            }
        }
        let before = self.tables.write().insert(name.to_owned(), table.clone());
        if let Some(UserTable::Stored(before)) = before {
            retire_missing(&before, table);
        }
        Ok(())
    }
}

fn retire_missing(before: &StoredTable, after: &UserTable) {
    let kept: HashSet<String> = match after {
        UserTable::Stored(table) => table.parts.iter().map(|p| p.name()).collect(),
        UserTable::External(_) => HashSet::new(),
    };
    before.parts.iter().filter(|part| !kept.contains(&part.name())).for_each(|part| part.retire());
}

impl StoredTable {
    fn open(name: &str, definition: StoredDefinition, directory: &Path) -> Result<Self> {
        let mut parts = Vec::with_capacity(definition.parts.len());
        for part in &definition.parts {
            let path = directory.join(part);
            if !path.is_file() {
                tracing::error!(table = name, part = %path.display(), "a table lost a part; it cannot be read");
            }
            parts.push(Arc::new(Part::new(path)));
        }
        Ok(Self { name: name.to_owned(), schema: definition.schema()?, definition, parts })
    }

    /// The error for its first part that is not there or has no readable end.
    pub(super) fn broken_part(&self) -> Option<Error> {
        self.parts.iter().find_map(|part| {
            let reason = part.fault(false)?;
            let (name, path) = (&self.name, part.path().display());
            let message = format!("a part of table \"{name}\" cannot be read: {path}: {reason}");
            Some(Error::new(ErrorKind::DataCorrupted, message))
        })
    }

    /// Columns with a default and its SQL.
    pub(crate) fn defaults(&self) -> &[(String, String)] {
        &self.definition.defaults
    }

    fn with_parts(&self, parts: Vec<Arc<Part>>) -> Self {
        let mut definition = self.definition.clone();
        definition.parts = parts.iter().map(|part| part.name()).collect();
        Self { name: self.name.clone(), schema: Arc::clone(&self.schema), definition, parts }
    }
}

fn remove_orphans(directory: &Path, tables: &BTreeMap<String, UserTable>) -> Result<()> {
    let known: HashSet<&str> = tables
        .values()
        .filter_map(|table| match table {
            UserTable::Stored(table) => Some(table.definition.parts.iter().map(String::as_str)),
            UserTable::External(_) => None,
        })
        .flatten()
        .collect();
    for entry in std::fs::read_dir(directory).map_err(|e| Error::io("read", directory, &e))? {
        let path = entry.map_err(|e| Error::io("read", directory, &e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".parquet") && !known.contains(name.as_str()) {
            tracing::info!(part = name, "removing what an interrupted statement left behind");
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, &e))?;
        }
    }
    Ok(())
}

/// Reads every row of the tables in a data directory, and says which of their files cannot be read.
pub fn damaged_tables(engine: &Arc<Engine>) -> Result<Vec<DamageRow>> {
    Ok(UserTables::open(Arc::clone(engine))?.damages())
}

pub(crate) fn already_exists(name: &str) -> Error {
    Error::new(ErrorKind::DuplicateTable, format!("table \"{name}\" already exists"))
}

fn changed_meanwhile(name: &str) -> Error {
    let message = format!("table \"{name}\" was changed by another statement meanwhile");
    Error::new(ErrorKind::SerializationFailure, message).with_hint("Run the statement again.")
}
