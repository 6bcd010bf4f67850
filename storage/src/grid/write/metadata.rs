//! Writing metadata values: short ones into the leaf, longer ones in pieces.

use super::editor::Editor;
use crate::error::{Error, Result};
use crate::grid::format::cursor::Encoder;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::table::Table;
use crate::grid::format::value::{BLOB_HEADER_BYTES, BLOB_PIECE_BYTES, INLINE_BYTES, Value};
use crate::grid::objects::writer::Writer;
use crate::grid::read::metadata::read_value;
use crate::grid::tree::edit::release_value;
use crate::grid::tree::keys::{MAX_METADATA_KEY, metadata_key};

/// Longest value of one key.
const MAX_VALUE_BYTES: usize = 16 << 30;

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
    for piece in value.chunks(BLOB_PIECE_BYTES) {
        let mut object = Encoder::with_capacity(BLOB_HEADER_BYTES + piece.len());
        object.u8(Kind::Blob.code()).u8(0).u16(0).u32(0).raw(piece);
        pieces.push(writer.put(&object.bytes, 0)?);
    }
    writer.put_table(&pieces)
}
