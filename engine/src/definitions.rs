//! Definitions of the users' tables: bytes under a name, durable when a call returns.

use crate::engine::Engine;
use crate::errors::{Error, Result};

/// The durable map of table definitions; what the bytes mean is the SQL layer's affair.
#[derive(Debug)]
pub struct TableDefinitions<'a> {
    _engine: &'a Engine,
}

impl TableDefinitions<'_> {
    /// Stores a definition under a name, over any earlier one.
    pub fn put(&self, _name: &str, _definition: &[u8]) -> Result<()> {
        Err(Error::Unsupported("the catalog".to_owned()))
    }

    /// The definition of a name.
    pub fn get(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        Err(Error::Unsupported("the catalog".to_owned()))
    }

    /// Removes a name; says whether it was there.
    pub fn remove(&self, _name: &str) -> Result<bool> {
        Err(Error::Unsupported("the catalog".to_owned()))
    }

    /// All names that begin so, with their definitions, by name.
    pub fn scan(&self, _prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        Err(Error::Unsupported("the catalog".to_owned()))
    }
}

impl Engine {
    /// The durable map of table definitions.
    pub fn definitions(&self) -> TableDefinitions<'_> {
        TableDefinitions { _engine: self }
    }
}
