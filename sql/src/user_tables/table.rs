//! A table as a name finds it, and how the parts of a stored one change.

use std::sync::{Arc, Weak};

use datafusion::arrow::datatypes::SchemaRef;
use hyprstream_engine::{NewPart, StoredPart, TableCatalog};
use parking_lot::{Mutex, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::definition::{Definition, StoredDefinition};
use crate::user_tables::external::ExternalTable;
use crate::user_tables::part::Part;
use crate::user_tables::writer::PartWriter;

/// A table as a name finds it.
#[derive(Debug, Clone)]
pub(crate) enum UserTable {
    /// Parts in the data directory.
    Stored(Arc<StoredTable>),
    /// Files elsewhere, read through this provider.
    External(ExternalTable),
    /// A table whose definition cannot be read, and why.
    Damaged(Error),
}

/// A table of parts. The catalog's commit is the moment that a change happens; then the list here changes with it.
#[derive(Debug)]
pub(crate) struct StoredTable {
    pub(crate) name: Arc<str>,
    pub(crate) schema: SchemaRef,
    definition: StoredDefinition,
    parts: RwLock<PartList>,
    /// Held while the catalog's list of parts changes, so that the one here says the same.
    changing: Mutex<Existence>,
    /// Held while parts are merged: two merges of the same parts would undo each other.
    pub(super) merging: Mutex<()>,
}

#[derive(Debug, Default)]
struct PartList {
    /// How often the rows have changed. A merge does not change them.
    revision: u64,
    parts: Vec<Arc<Part>>,
    /// Parts that the table no longer has and whose files may still be there.
    leaving: Vec<Weak<Part>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Existence {
    There,
    Dropped,
}

/// The rows of a table at one moment.
#[derive(Debug, Clone)]
pub(crate) struct PartsNow {
    pub(crate) revision: u64,
    pub(super) parts: Vec<Arc<Part>>,
}

impl StoredTable {
    pub(super) fn try_new(
        name: &str,
        definition: StoredDefinition,
        stored: Vec<StoredPart>,
        catalog: &TableCatalog,
    ) -> Result<Self> {
        let name: Arc<str> = Arc::from(name);
        let part = |stored| Arc::new(Part::new(&name, catalog.parts(), stored));
        let parts = PartList { parts: stored.into_iter().map(part).collect(), ..PartList::default() };
        let (schema, parts) = (definition.schema()?, RwLock::new(parts));
        Ok(Self {
            name,
            schema,
            definition,
            parts,
            changing: Mutex::new(Existence::There),
            merging: Mutex::default(),
        })
    }

    /// Columns with a default and its SQL.
    pub(crate) fn defaults(&self) -> &[(String, String)] {
        &self.definition.defaults
    }

    /// A number that changes with the rows.
    pub(crate) fn revision(&self) -> u64 {
        self.parts.read().revision
    }

    /// The parts that it has at this moment.
    pub(crate) fn now(&self) -> PartsNow {
        let list = self.parts.read();
        PartsNow { revision: list.revision, parts: list.parts.clone() }
    }

    /// Begins a part with rows for this table.
    pub(crate) fn writer(&self, catalog: &TableCatalog) -> Result<PartWriter> {
        PartWriter::try_new(catalog.parts(), &self.name, &self.definition, &self.schema)
    }

    /// Adds rows. Says how many parts there are now.
    pub(super) fn append(&self, catalog: &TableCatalog, part: NewPart) -> Result<usize> {
        let changing = self.changing.lock();
        self.expect_there(&changing).inspect_err(|_| discard(catalog, &part))?;
        // After a failure the commit may still be found when the store opens again, so the file stays.
        let stored = catalog.append(&self.name, part)?;
        let part = Arc::new(self.part(catalog, stored));
        let mut list = self.parts.write();
        list.revision += 1;
        list.parts.push(part);
        Ok(list.parts.len())
    }

    /// Replaces all rows, unless they have changed since `revision`.
    pub(super) fn replace(
        &self,
        catalog: &TableCatalog,
        revision: u64,
        writer: Option<PartWriter>,
    ) -> Result<()> {
        let changing = self.changing.lock();
        self.expect_there(&changing)?;
        let before = self.now();
        if before.revision != revision {
            return Err(changed_meanwhile(&self.name));
        }
        let replaces = self.names_to_replace(&before.parts);
        let part = writer.map(|writer| writer.finish(&replaces)).transpose()?.flatten();
        self.swap(catalog, &before.parts, part, revision + 1)?;
        drop(changing);
        Ok(())
    }

    /// Replaces some parts beside one another by one with the same rows. False when they are no longer there.
    pub(super) fn merge(&self, catalog: &TableCatalog, run: &[Arc<Part>], part: NewPart) -> Result<bool> {
        let changing = self.changing.lock();
        let is_there = *changing == Existence::There && self.position(run).is_some();
        if is_there {
            let revision = self.revision();
            self.swap(catalog, run, Some(part), revision)?;
        } else {
            discard(catalog, &part);
        }
        drop(changing);
        Ok(is_there)
    }

    /// Runs what takes the table out of the catalog. Its parts go with their last readers.
    pub(super) fn drop_with<T>(&self, take_out: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut changing = self.changing.lock();
        let value = take_out()?;
        *changing = Existence::Dropped;
        self.parts.read().parts.iter().for_each(|part| part.retire());
        Ok(value)
    }

    /// The names of the parts whose rows a part takes over, and of those whose rows they had taken over.
    pub(super) fn names_to_replace(&self, run: &[Arc<Part>]) -> Vec<String> {
        let leaving: Vec<Arc<Part>> = self.parts.read().leaving.iter().filter_map(Weak::upgrade).collect();
        run.iter().chain(&leaving).map(|part| part.name().to_owned()).collect()
    }

    fn part(&self, catalog: &TableCatalog, stored: StoredPart) -> Part {
        Part::new(&self.name, catalog.parts(), stored)
    }

    fn expect_there(&self, existence: &Existence) -> Result<()> {
        match existence {
            Existence::There => Ok(()),
            Existence::Dropped => Err(changed_meanwhile(&self.name)),
        }
    }

    /// Where a run of parts lies in the list.
    fn position(&self, run: &[Arc<Part>]) -> Option<usize> {
        let first = run.first()?;
        let list = self.parts.read();
        let position = list.parts.iter().position(|part| Arc::ptr_eq(part, first))?;
        let found = list.parts.get(position..position + run.len())?;
        found.iter().zip(run).all(|(found, part)| Arc::ptr_eq(found, part)).then_some(position)
    }

    /// Puts one part, or none, where a run of them was.
    fn swap(
        &self,
        catalog: &TableCatalog,
        run: &[Arc<Part>],
        part: Option<NewPart>,
        revision: u64,
    ) -> Result<()> {
        let stored = match (run, part) {
            ([], None) => None,
            ([], Some(part)) => Some(catalog.append(&self.name, part)?),
            (run, part) => {
                let numbers: Vec<u64> = run.iter().map(|part| part.number()).collect();
                catalog.replace_parts(&self.name, &numbers, part)?
            }
        };
        let part = stored.map(|stored| Arc::new(self.part(catalog, stored)));
        let begin = self.position(run).unwrap_or_default();
        let mut list = self.parts.write();
        list.revision = revision;
        let removed: Vec<Arc<Part>> = list.parts.splice(begin..begin + run.len(), part).collect();
        list.leaving.retain(|part| part.strong_count() > 0);
        list.leaving.extend(removed.iter().map(Arc::downgrade));
        drop(list);
        for part in removed {
            part.retire();
        }
        Ok(())
    }
}

/// Removes a part that no table was given.
pub(super) fn discard(catalog: &TableCatalog, part: &NewPart) {
    if let Err(error) = catalog.parts().remove(&part.record.name) {
        tracing::warn!(part = part.record.name, %error, "a part that no table has could not be removed");
    }
}

/// What the catalog keeps of a table.
pub(super) fn definition_bytes(table: &UserTable) -> Result<Vec<u8>> {
    match table {
        UserTable::Stored(table) => Definition::Stored(table.definition.clone()).to_bytes(),
        UserTable::External(table) => Definition::External { statement: table.statement.clone() }.to_bytes(),
        UserTable::Damaged(error) => Err(error.clone()),
    }
}

pub(super) fn changed_meanwhile(name: &str) -> Error {
    let message = format!("table \"{name}\" was changed by another statement meanwhile");
    Error::new(ErrorKind::SerializationFailure, message).with_hint("Run the statement again.")
}
