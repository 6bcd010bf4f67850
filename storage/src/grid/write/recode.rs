//! Rewriting chunks from raw (hot) to compressed (cold) and back.

use super::editor::Editor;
use crate::error::Result;
use crate::grid::chunk::codec::{CODEC_RAW, Compression};
use crate::grid::chunk::cold::compress;
use crate::grid::chunk::layout::Layout;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::table::Table;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::chunk_source::chunk_view;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table_node;
use crate::grid::objects::writer::{Predecessor, Replacement, Writer};

/// What rewriting the chunks of a version did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recoded {
    /// Chunks that were rewritten.
    pub chunks: u64,
    /// Chunks left as they are because other versions share them.
    pub shared: u64,
    /// Bytes of the rewritten chunks, before.
    pub bytes_before: u64,
    /// Bytes of the same chunks, after.
    pub bytes_after: u64,
}

impl Editor {
    /// Stores the chunks of a version compressed, or raw.
    pub(crate) fn recode(
        &mut self,
        writer: &mut Writer,
        adapter: &str,
        version: &str,
        compression: Option<Compression>,
    ) -> Result<Recoded> {
        let open = self.open(writer, adapter, version)?;
        let mut recoded = Recoded::default();
        for (key, _) in open.tree.collect(writer, &[])? {
            if let Some(Value::Matrix(record)) = open.tree.get_mut(writer, &key)? {
                recode_matrix(writer, record, compression, &mut recoded)?;
            }
        }
        Ok(recoded)
    }
}

fn recode_matrix(
    writer: &mut Writer,
    record: &mut MatrixRecord,
    compression: Option<Compression>,
    recoded: &mut Recoded,
) -> Result<()> {
    let layout = Layout::of(record);
    let mut replaced = Vec::new();
    let mut chunks = Vec::new();
    let Table { children, depth, .. } = &record.chunks;
    // The tree's nodes are this version's alone by now, so owners beyond the first are other versions.
    collect_chunks(writer, children, *depth, 0, false, &mut chunks)?;
    for Found { index, chunk, shared } in chunks {
        if shared {
            recoded.shared += 1;
            continue;
        }
        let Some(bytes) = recode_chunk(writer, &chunk, &layout, index, compression)? else {
            continue;
        };
        recoded.chunks += 1;
        recoded.bytes_before += u64::from(chunk.len);
        recoded.bytes_after += bytes.len() as u64;
        replaced.push(Replacement {
            index,
            new: writer.put(&bytes, chunk.active())?,
            old: Predecessor::Released,
        });
    }
    writer.replace_chunks(&mut record.chunks, &replaced)
}

/// A chunk, and whether other versions own it too, directly or through a node above it.
struct Found {
    index: u64,
    chunk: Ref,
    shared: bool,
}

fn collect_chunks(
    writer: &mut Writer,
    children: &[Ref],
    depth: u8,
    first: u64,
    shared: bool,
    chunks: &mut Vec<Found>,
) -> Result<()> {
    let span = 1u64 << (8 * u32::from(depth));
    for (chunk, position) in children.iter().zip(0u64..).filter(|(chunk, _)| !chunk.is_null()) {
        let index = first + position * span;
        let shared = shared || writer.space.extra_owners(&writer.objects, chunk.unit)? > 0;
        if depth == 0 {
            let chunk = *chunk;
            chunks.push(Found { index, chunk, shared });
            continue;
        }
        let entries = read_table_node(&writer.objects, chunk, depth)?;
        collect_chunks(writer, &entries, depth - 1, index, shared, chunks)?;
    }
    Ok(())
}

/// The chunk as it should be stored; `None` when it is stored so already.
fn recode_chunk(
    writer: &Writer,
    chunk: &Ref,
    layout: &Layout,
    index: u64,
    compression: Option<Compression>,
) -> Result<Option<Vec<u8>>> {
    let stored = writer.objects.object(chunk, Kind::Chunk)?;
    let malformed = |reason| writer.objects.malformed(chunk, Kind::Chunk.name(), reason);
    let &[_, codec, ..] = &*stored else {
        return Err(malformed("a chunk is too short"));
    };
    let is_raw = codec == CODEC_RAW;
    let raw = chunk_view(&writer.objects, chunk, layout, index)?;
    let Some(compression) = compression else {
        return Ok((!is_raw).then(|| raw.bytes().to_vec()));
    };
    // A patch is smaller than any compression of what it stands for.
    if chunk.is_patch() || codec == compression.codec() {
        return Ok(None);
    }
    let cold = compress(raw.bytes(), layout, index, compression).map_err(malformed)?;
    // From one codec to another a chunk may grow: LZ4 is asked for to be fast.
    Ok(cold.filter(|cold| !is_raw || cold.len() < stored.len()))
}
