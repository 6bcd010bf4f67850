//! What the catalog keeps of a table.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A table as the catalog keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Definition {
    /// Parts in the data directory.
    Stored(StoredDefinition),
    /// Files elsewhere, by the statement that made the table.
    External { statement: String },
}

/// A table of parts in the data directory. Which parts it has is not said here, so that a part can carry this with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StoredDefinition {
    /// The schema as an Arrow stream, in hexadecimal.
    schema: String,
    /// In definitions of version 1, file names of the parts in the order of their rows.
    #[serde(default, rename = "parts", skip_serializing_if = "Option::is_none")]
    version_1_parts: Option<Vec<String>>,
    /// Columns with a default and its SQL.
    pub(crate) defaults: Vec<(String, String)>,
}

impl StoredDefinition {
    /// A table without rows.
    pub(crate) fn try_new(schema: &SchemaRef, defaults: Vec<(String, String)>) -> Result<Self> {
        let mut bytes = Vec::new();
        let written = StreamWriter::try_new(&mut bytes, schema).and_then(|mut writer| writer.finish());
        written.map_err(|e| {
            Error::new(ErrorKind::FeatureNotSupported, format!("the columns cannot be stored: {e}"))
        })?;
        Ok(Self { schema: hex::encode(bytes), version_1_parts: None, defaults })
    }

    /// The names of its parts, if this is a definition of version 1; afterwards it is none.
    pub(super) fn take_version_1_parts(&mut self) -> Option<Vec<String>> {
        self.version_1_parts.take()
    }

    /// The columns, decoded.
    pub(crate) fn schema(&self) -> Result<SchemaRef> {
        let bytes = hex::decode(&self.schema).map_err(|_| damaged())?;
        let reader = StreamReader::try_new(bytes.as_slice(), None).map_err(|_| damaged())?;
        Ok(reader.schema())
    }
}

impl Definition {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| damaged())
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::DataCorrupted, "the definition of a table is damaged")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn a_definition_comes_back_with_its_columns() {
        let list = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 8);
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("embedding", list, true),
        ]));
        let stored = StoredDefinition::try_new(&schema, vec![("id".to_owned(), "1 + 1".to_owned())]).unwrap();
        let bytes = Definition::Stored(stored).to_bytes().unwrap();
        let mut back = read(&bytes);
        assert_eq!(back.schema().unwrap(), schema);
        assert_eq!(back.defaults, [("id".to_owned(), "1 + 1".to_owned())]);
        assert_eq!(back.take_version_1_parts(), None);
    }

    #[test]
    fn a_definition_of_version_1_names_its_parts_until_they_are_taken() {
        let bytes = br#"{"kind":"stored","schema":"","parts":["a.parquet"],"defaults":[]}"#;
        let mut definition = read(bytes);
        assert_eq!(definition.take_version_1_parts(), Some(vec!["a.parquet".to_owned()]));
        let bytes = Definition::Stored(definition).to_bytes().unwrap();
        assert_eq!(bytes, br#"{"kind":"stored","schema":"","defaults":[]}"#);
    }

    fn read(bytes: &[u8]) -> StoredDefinition {
        match Definition::from_bytes(bytes).unwrap() {
            Definition::Stored(stored) => stored,
            Definition::External { .. } => panic!("not stored"),
        }
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert_eq!(Definition::from_bytes(b"{").unwrap_err().kind(), ErrorKind::DataCorrupted);
        let stored = StoredDefinition { schema: "zz".to_owned(), ..StoredDefinition::default() };
        assert_eq!(stored.schema().unwrap_err().kind(), ErrorKind::DataCorrupted);
    }
}
