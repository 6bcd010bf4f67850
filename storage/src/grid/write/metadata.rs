//! Metadata values: short ones in the leaf, longer ones in pieces.

use super::editor::Editor;
use super::format::{BLOB_PIECE_BYTES, Encoder, INLINE_BYTES, Kind, Ref, Table, Value};
use super::source::Source;
use super::tree::{MAX_METADATA_KEY, metadata_key, release_value};
use super::writer::{Writer, read_table};
use crate::error::{Error, Result};

/// Longest value of one key.
const MAX_VALUE_BYTES: usize = 16 << 30;
const PIECE_HEADER: usize = 8;

impl Editor {
    pub(crate) fn put_metadata(&mut self, writer: &mut Writer, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > MAX_METADATA_KEY {
            return Err(Error::argument(
                "key",
                format!("a key has 1 to {MAX_METADATA_KEY} bytes, not {}", key.len()),
            ));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::argument("value", format!("a value has at most {MAX_VALUE_BYTES} bytes")));
        }
        let value = if value.len() <= INLINE_BYTES {
            Value::Inline(value.to_vec())
        } else {
            Value::Blob { len: value.len() as u64, pieces: put_pieces(writer, value)? }
        };
        self.replace(writer, &metadata_key(key), value)
    }

    pub(crate) fn remove_metadata(&mut self, writer: &mut Writer, key: &[u8]) -> Result<bool> {
        match self.main.remove(writer, &metadata_key(key))? {
            Some(old) => release_value(writer, &old).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) fn metadata(&self, writer: &Writer, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.main.get(writer, &metadata_key(key))?;
        found.map(|value| read_value(&writer.objects, value)).transpose()
    }
}

fn put_pieces(writer: &mut Writer, value: &[u8]) -> Result<Table> {
    let mut pieces: Vec<Ref> = Vec::new();
    for piece in value.chunks(usize::try_from(BLOB_PIECE_BYTES).unwrap_or(usize::MAX)) {
        let mut object = Encoder::with_capacity(PIECE_HEADER + piece.len());
        object.u8(Kind::Blob.code()).u8(0).u16(0).u32(0).raw(piece);
        pieces.push(writer.put(&object.bytes, 0)?);
    }
    writer.put_table(&pieces)
}

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
        let content = object.get(PIECE_HEADER..);
        bytes.extend_from_slice(
            content
                .ok_or_else(|| source.malformed(&piece, "a piece of a metadata value", "it is too short"))?,
        );
    }
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    let first = pieces.children.first().copied().unwrap_or_default();
    Err(source.malformed(&first, "a metadata value", "its pieces do not add up to its length"))
}
