//! Storing a matrix as a whole: chunks that did not change are shared with the version before, others become patches of
//! it or new chunks.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::grid::chunk::encode::{Scratch, encode_chunk};
use crate::grid::chunk::layout::Layout;
use crate::grid::chunk::patch::{MAX_CHAIN, Patch, differences, most_patched};
use crate::grid::chunk::view::ChunkView;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::MatrixRecord;
use crate::grid::objects::chunk_source::chunk_view;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;
use crate::grid::objects::writer::Writer;
use crate::integer::to_usize;

/// Writes the chunks of a matrix that differ from the old one's.
pub(crate) fn encode_matrix(
    writer: &mut Writer,
    layout: &Layout,
    values: &[f32],
    old: Option<&MatrixRecord>,
) -> Result<MatrixRecord> {
    let Layout { geometry, dtype } = *layout;
    let comparable = old.filter(|old| Layout::of(old) == *layout);
    let old_chunks = match comparable {
        Some(old) => read_table(&writer.objects, &old.chunks)?,
        None => Vec::new(),
    };
    let mut chunks = Vec::new();
    let mut active = 0;
    let mut scratch = Scratch::default();
    for chunk in 0..geometry.chunks() {
        let built = encode_chunk(&geometry, chunk, dtype, values, &mut scratch);
        active += u64::from(built.active);
        if built.active == 0 {
            chunks.push(Ref::NULL);
            continue;
        }
        let before = old_chunks.get(to_usize(chunk)).copied();
        let before = before.filter(|before| !before.is_null());
        let raw = before.map(|before| raw_bytes(writer, &before, layout, chunk)).transpose()?.flatten();
        chunks.push(match (before, raw) {
            (Some(before), Some(raw)) if raw == built.bytes => {
                writer.share(&before)?;
                before
            }
            (Some(before), Some(raw)) => {
                let view = ChunkView::new(Cow::Owned(raw), dtype)
                    .map_err(|reason| writer.objects.malformed(&before, Kind::Chunk.name(), reason))?;
                writer.put_successor(Some((&before, &view)), &built.bytes, built.active, layout, chunk)?
            }
            _ => writer.put(&built.bytes, built.active)?,
        });
    }
    Ok(MatrixRecord {
        dtype,
        rows: geometry.rows,
        cols: geometry.cols,
        active,
        chunks: writer.put_table(&chunks)?,
    })
}

/// A chunk to compare with; `None` when it is damaged.
fn raw_bytes(writer: &Writer, chunk: &Ref, layout: &Layout, index: u64) -> Result<Option<Vec<u8>>> {
    match chunk_view(&writer.objects, chunk, layout, index) {
        Ok(view) => Ok(Some(view.bytes().to_vec())),
        // The new chunk is written whole, which repairs the matrix.
        Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Writer {
    /// Stores a raw chunk that replaces `old`, as a patch of it when that is much smaller. The caller owns the
    /// new chunk; the owners of the old one stay.
    fn put_successor(
        &mut self,
        old: Option<(&Ref, &ChunkView<'_>)>,
        raw: &[u8],
        active: u32,
        layout: &Layout,
        index: u64,
    ) -> Result<Ref> {
        let Some((old, view)) = old else {
            return self.put(raw, active);
        };
        let refuse = |writer: &Self, reason| writer.objects.malformed(old, Kind::Chunk.name(), reason);
        let new = ChunkView::new(Cow::Borrowed(raw), layout.dtype).map_err(|r| refuse(self, r))?;
        let limit = most_patched(raw.len(), layout.dtype);
        let found = differences(view, &new, &layout.geometry, index, layout.dtype, limit);
        let Some(elements) = found.map_err(|reason| refuse(self, reason))? else {
            return self.put(raw, active);
        };
        let (depth, chain_bytes) = if old.is_patch() {
            let bytes = self.objects.object(old, Kind::Chunk)?;
            let patch = Patch::decode(&bytes, layout.dtype).map_err(|reason| refuse(self, reason))?;
            (patch.depth + 1, patch.chain_bytes.saturating_add(old.len))
        } else {
            (0, 0)
        };
        let patch = Patch { base: *old, depth, chain_bytes, elements };
        let bytes = patch.encode(layout.dtype)?;
        if depth >= MAX_CHAIN
            || chain_bytes as usize + bytes.len() > 2 * raw.len()
            || bytes.len() * 2 > raw.len()
        {
            return self.put(raw, active);
        }
        self.share(old)?;
        self.put(&bytes, active | Ref::PATCH)
    }
}
