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

/// A table of parts in the data directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StoredDefinition {
    /// The schema as an Arrow stream, in hexadecimal.
    schema: String,
    /// File names of the parts, in the order of their rows.
    pub(crate) parts: Vec<String>,
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
        Ok(Self { schema: hex::encode(bytes), parts: Vec::new(), defaults })
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
        let mut stored =
            StoredDefinition::try_new(&schema, vec![("id".to_owned(), "1 + 1".to_owned())]).unwrap();
        stored.parts.push("a.parquet".to_owned());
        let bytes = Definition::Stored(stored).to_bytes().unwrap();
        let Definition::Stored(back) = Definition::from_bytes(&bytes).unwrap() else { panic!("not stored") };
        assert_eq!(back.schema().unwrap(), schema);
        assert_eq!(back.parts, ["a.parquet"]);
        assert_eq!(back.defaults, [("id".to_owned(), "1 + 1".to_owned())]);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert_eq!(Definition::from_bytes(b"{").unwrap_err().kind(), ErrorKind::DataCorrupted);
        let stored = StoredDefinition { schema: "zz".to_owned(), ..StoredDefinition::default() };
        assert_eq!(stored.schema().unwrap_err().kind(), ErrorKind::DataCorrupted);
    }
}
