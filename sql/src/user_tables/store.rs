//! The tables by name, and how they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use hyprstream_engine::{DamageRow, Engine, TableCatalog};
use parking_lot::{Mutex, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::definition::{Definition, StoredDefinition};
use crate::user_tables::external::{ExternalTable, Loaded};
use crate::user_tables::merge_queue::MergeQueue;
use crate::user_tables::opening::open_tables;
use crate::user_tables::table::{StoredTable, UserTable, changed_meanwhile, definition_bytes, discard};
use crate::user_tables::writer::PartWriter;

/// All tables of the users.
#[derive(Debug)]
pub(crate) struct UserTables {
    engine: Arc<Engine>,
    tables: RwLock<BTreeMap<String, UserTable>>,
    /// Held while tables come and go, so that the catalog and the map say the same.
    changing: Mutex<()>,
    /// Which tables may have parts to merge.
    pub(super) to_merge: Arc<MergeQueue>,
}

impl UserTables {
    /// Reads the definitions, and sets files aside that none of them has.
    pub(crate) fn open(engine: Arc<Engine>) -> Result<Self> {
        let tables = open_tables(engine.tables())?;
        Ok(Self { engine, tables: RwLock::new(tables), changing: Mutex::new(()), to_merge: Arc::default() })
    }

    /// What is durable of the tables.
    pub(crate) fn catalog(&self) -> &TableCatalog {
        self.engine.tables()
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.read().keys().cloned().collect()
    }

    /// The table of a name.
    pub(crate) fn get(&self, name: &str) -> Option<UserTable> {
        self.tables.read().get(name).cloned()
    }

    /// Why a table cannot be planned with, if it cannot.
    pub(crate) fn fault(&self, name: &str) -> Option<Error> {
        match self.tables.read().get(name) {
            Some(UserTable::Damaged(error)) => Some(error.clone()),
            Some(UserTable::External(table)) => table.failure.clone(),
            Some(UserTable::Stored(_)) | None => None,
        }
    }

    /// Adds a stored table with the rows of a part.
    pub(crate) fn create(
        &self,
        name: &str,
        definition: StoredDefinition,
        writer: Option<PartWriter>,
        replace: bool,
    ) -> Result<()> {
        let bytes = Definition::Stored(definition.clone()).to_bytes()?;
        let mut part = writer.map(|writer| writer.finish(&[])).transpose()?.flatten();
        let made = self.put(name, replace, || {
            let parts = self.catalog().put(name, &bytes, part.take().into_iter().collect())?;
            let table = StoredTable::try_new(name, definition, parts, self.catalog())?;
            Ok(UserTable::Stored(Arc::new(table)))
        });
        if let Some(part) = &part {
            discard(self.catalog(), part);
        }
        made
    }

    /// Adds a table over files elsewhere.
    pub(crate) fn create_external(&self, name: &str, table: ExternalTable, replace: bool) -> Result<()> {
        let table = UserTable::External(table);
        let bytes = definition_bytes(&table)?;
        self.put(name, replace, || {
            self.catalog().put(name, &bytes, Vec::new())?;
            Ok(table)
        })
    }

    /// Keeps what an external table reads through, or why there is nothing.
    pub(crate) fn loaded(&self, name: &str, statement: &str, loaded: Result<Loaded>) {
        let mut tables = self.tables.write();
        if let Some(UserTable::External(table)) = tables.get_mut(name)
            && table.statement == statement
        {
            (table.loaded, table.failure) = match loaded {
                Ok(loaded) => (Some(loaded), None),
                Err(error) => (None, Some(error)),
            };
        }
    }

    /// Begins a part with rows for a table.
    pub(crate) fn writer(&self, table: &StoredTable) -> Result<PartWriter> {
        table.writer(self.catalog())
    }

    /// Adds the rows of a part to a table as it is now.
    pub(crate) fn append(&self, name: &str, schema: &SchemaRef, writer: PartWriter) -> Result<u64> {
        let rows = writer.rows();
        let table = match self.get(name) {
            Some(UserTable::Stored(table)) if table.schema == *schema => table,
            _ => return Err(changed_meanwhile(name)),
        };
        if let Some(part) = writer.finish(&[])? {
            let parts = table.append(self.catalog(), part)?;
            self.to_merge.grown(name, parts);
        }
        Ok(rows)
    }

    /// Replaces all rows of a table by those of a part, unless they have changed since `revision`.
    pub(crate) fn replace(
        &self,
        table: &StoredTable,
        revision: u64,
        writer: Option<PartWriter>,
    ) -> Result<()> {
        table.replace(self.catalog(), revision, writer)
    }

    /// Drops a table; says whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool> {
        let changing = self.changing.lock();
        let Some(table) = self.get(name) else {
            return Ok(false);
        };
        take_out(&table, || Ok(self.catalog().remove(name)?))?;
        self.tables.write().remove(name);
        drop(changing);
        Ok(true)
    }

    /// Reads every row of every stored table, and says which parts cannot be read.
    pub(crate) fn damages(&self) -> Vec<DamageRow> {
        let mut damages = Vec::new();
        for name in self.names() {
            match self.get(&name) {
                Some(UserTable::Stored(table)) => {
                    let parts = table.now().parts;
                    damages.extend(parts.iter().filter_map(|part| part.damage()));
                }
                Some(UserTable::Damaged(error)) => damages.push(damaged_definition(&name, &error)),
                Some(UserTable::External(_)) | None => {}
            }
        }
        damages
    }

    /// Puts a table, whose write to the catalog is the moment that it is there, over any other of its name.
    fn put(&self, name: &str, replace: bool, write: impl FnOnce() -> Result<UserTable>) -> Result<()> {
        let changing = self.changing.lock();
        let before = self.get(name);
        if !replace && before.is_some() {
            return Err(already_exists(name));
        }
        let table = match before {
            Some(before) => take_out(&before, write)?,
            None => write()?,
        };
        self.tables.write().insert(name.to_owned(), table);
        drop(changing);
        Ok(())
    }
}

/// Runs what takes a table out of the catalog.
fn take_out<T>(table: &UserTable, change: impl FnOnce() -> Result<T>) -> Result<T> {
    match table {
        UserTable::Stored(table) => table.drop_with(change),
        UserTable::External(_) | UserTable::Damaged(_) => change(),
    }
}

fn damaged_definition(name: &str, error: &Error) -> DamageRow {
    DamageRow {
        file: "grid/grid.data".to_owned(),
        what: format!("definition of table {name}"),
        reason: error.message().to_owned(),
        ..DamageRow::default()
    }
}

pub(crate) fn already_exists(name: &str) -> Error {
    Error::new(ErrorKind::DuplicateTable, format!("table \"{name}\" already exists"))
}
