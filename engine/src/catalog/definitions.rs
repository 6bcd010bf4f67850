//! Definitions of the users' tables: bytes under a name, durable when a call returns.

use hyprstream_storage::{Catalog, CatalogChange};

use crate::error::Result;

const PREFIX: &[u8] = b"table/";

/// The durable map of table definitions; what the bytes mean is the SQL layer's affair.
#[derive(Debug)]
pub struct TableDefinitions<'a> {
    catalog: &'a Catalog,
}

impl<'a> TableDefinitions<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog }
    }

    /// Stores a definition under a name, over any earlier one.
    pub fn put(&self, name: &str, definition: &[u8]) -> Result<()> {
        Ok(self.catalog.put_durable(&key(name), definition)?)
    }

    /// The definition of a name.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.catalog.get(&key(name))?)
    }

    /// Removes a name; says whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let key = key(name);
        let found = self.catalog.get(&key)?.is_some();
        if found {
            self.catalog.apply(&[CatalogChange::Remove(key)])?;
        }
        Ok(found)
    }

    /// All names that begin so, with their definitions, by name.
    pub fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let entries = self.catalog.scan_prefix(&key(prefix))?;
        let named = |(key, value): (Vec<u8>, Vec<u8>)| {
            (String::from_utf8_lossy(key.get(PREFIX.len()..).unwrap_or_default()).into_owned(), value)
        };
        Ok(entries.into_iter().map(named).collect())
    }
}

fn key(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes()].concat()
}
