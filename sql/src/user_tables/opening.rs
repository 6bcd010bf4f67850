//! The tables of a data directory, as the catalog has them when it opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyprstream_engine::{NewPart, PartDirectory, PartRecord, TableCatalog, TableEntry};

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::definition::{Definition, StoredDefinition};
use crate::user_tables::external::ExternalTable;
use crate::user_tables::part::PartBytes;
use crate::user_tables::table::{StoredTable, UserTable};

/// Reads the definitions. One that cannot be read breaks no other table. Files that no table has are set aside.
pub(super) fn open_tables(catalog: &TableCatalog) -> Result<BTreeMap<String, UserTable>> {
    let mut tables = BTreeMap::new();
    for name in catalog.names()? {
        let table = open_table(catalog, &name).unwrap_or_else(|error| {
            tracing::error!(table = name, %error, "a table cannot be read");
            UserTable::Damaged(error)
        });
        tables.insert(name, table);
    }
    if tables.values().any(|table| matches!(table, UserTable::Damaged(_))) {
        tracing::warn!("files of tables stay where they are, because a damaged definition may refer to them");
    } else {
        catalog.set_aside_unreferenced()?;
    }
    Ok(tables)
}

fn open_table(catalog: &TableCatalog, name: &str) -> Result<UserTable> {
    let entry = catalog.table(name).map_err(|error| unreadable(name, &error.into()))?;
    let Some(TableEntry { definition, parts }) = entry else {
        return Err(unreadable(name, &Error::new(ErrorKind::DataCorrupted, "it is not there")));
    };
    let definition = Definition::from_bytes(&definition).map_err(|error| unreadable(name, &error))?;
    let mut definition = match definition {
        Definition::Stored(definition) => definition,
        Definition::External { statement } => {
            return Ok(UserTable::External(ExternalTable::kept(statement)));
        }
    };
    let parts = match definition.take_version_1_parts() {
        Some(files) => take_over(catalog, name, &definition, &files)?,
        None => parts,
    };
    let table = StoredTable::try_new(name, definition, parts, catalog);
    Ok(UserTable::Stored(Arc::new(table.map_err(|error| unreadable(name, &error))?)))
}

/// Writes the definition and the parts of a table of version 1 as this version keeps them, in one commit.
fn take_over(
    catalog: &TableCatalog,
    name: &str,
    definition: &StoredDefinition,
    files: &[String],
) -> Result<Vec<hyprstream_engine::StoredPart>> {
    let parts = files.iter().map(|file| adopted(catalog.parts(), name, file)).collect();
    let definition = Definition::Stored(definition.clone()).to_bytes()?;
    Ok(catalog.put(name, &definition, parts)?)
}

/// A file of version 1 as it is. One that cannot be read gets a record that reads as damage.
pub(super) fn adopted(directory: &PartDirectory, table: &str, file: &str) -> NewPart {
    let record = directory.adopt(file).unwrap_or_else(|error| {
        tracing::error!(table, part = file, %error, "a table lost a part; it cannot be read");
        PartRecord { name: file.to_owned(), bytes: 0, blocks: Vec::new() }
    });
    let metadata = PartBytes::open(directory, &record).and_then(|part| part.metadata());
    let rows = metadata.map_or(0, |metadata| metadata.file_metadata().num_rows());
    NewPart { rows: u64::try_from(rows).unwrap_or_default(), record }
}

fn unreadable(name: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("table \"{name}\" cannot be read: {}", error.message()))
        .with_hint("Restore a backup, or take over what is whole with hyprstream salvage.")
}
