//! Reading metadata values.

use crate::error::{Error, Result};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::{BLOB_HEADER_BYTES, Value};
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;

/// The bytes of a metadata value.
pub(crate) fn read_value(source: &dyn Source, value: Value) -> Result<Vec<u8>> {
    let (len, pieces) = match value {
        Value::Inline(bytes) => return Ok(bytes),
        Value::Blob { len, pieces } => (len, pieces),
        _ => return Err(Error::internal("a metadata key holds something else")),
    };
    let mut bytes = Vec::new();
    for piece in read_table(source, &pieces)? {
        let object = source.object(&piece, Kind::Blob)?;
        let content = object.get(BLOB_HEADER_BYTES..);
        bytes.extend_from_slice(
            content.ok_or_else(|| source.malformed(&piece, Kind::Blob.name(), "it is too short"))?,
        );
    }
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    let first = pieces.children.first().copied().unwrap_or(Ref::NULL);
    Err(source.malformed(&first, "a metadata value", "its pieces do not add up to its length"))
}
