//! Reading chunks as they are stored: raw, compressed or as a patch of another chunk.

use std::borrow::Cow;

use super::source::Source;
use crate::error::Result;
use crate::grid::chunk::codec::{CODEC_LZ4, CODEC_PATCH, CODEC_RAW, CODEC_ZSTD};
use crate::grid::chunk::cold::decompress;
use crate::grid::chunk::layout::Layout;
use crate::grid::chunk::merge::{Change, merge_chunk};
use crate::grid::chunk::patch::{MAX_CHAIN, Patch, amended, changes_of, most_patched, patch_base};
use crate::grid::chunk::view::ChunkView;
use crate::grid::format::object::{Kind, Malformed};
use crate::grid::format::reference::Ref;

const TOO_LONG: Malformed = "its chain of patches is too long";
/// An update of a chunk under more patches than this writes a new chunk instead of reading them all.
const MOST_PATCHES_READ: usize = 4;

/// A chunk of a matrix, raw: borrowed from the file where it is stored so, else decompressed or patched in memory.
pub(crate) fn chunk_view<'a>(
    source: &'a dyn Source,
    chunk: &Ref,
    layout: &Layout,
    index: u64,
) -> Result<ChunkView<'a>> {
    let mut patches: Vec<Patch> = Vec::new();
    let mut reference = *chunk;
    loop {
        let bytes = source.object(&reference, Kind::Chunk)?;
        let refuse = |reason| source.malformed(&reference, Kind::Chunk.name(), reason);
        let raw = match bytes.get(1) {
            Some(&CODEC_PATCH) => {
                let patch = Patch::decode(&bytes, layout.dtype).map_err(refuse)?;
                if patches.len() > MAX_CHAIN as usize {
                    return Err(refuse(TOO_LONG));
                }
                reference = patch.base;
                patches.push(patch);
                continue;
            }
            Some(&(CODEC_ZSTD | CODEC_LZ4)) => Cow::Owned(decompress(&bytes, layout, index).map_err(refuse)?),
            _ => bytes,
        };
        let base = ChunkView::new(raw, layout.dtype).map_err(refuse)?;
        if patches.is_empty() {
            return Ok(base);
        }
        let changes = changes_of(&patches, index);
        let built =
            merge_chunk(Some(&base), &layout.geometry, index, layout.dtype, &changes).map_err(refuse)?;
        return ChunkView::new(Cow::Owned(built.bytes), layout.dtype).map_err(refuse);
    }
}

/// A patch that replaces the newest patch of a chunk and includes a few changes, sorted as [`merge_chunk`] wants them;
/// and how many elements of the chunk are active then. `None` when a new chunk is better: when this one is compressed,
/// has too many patches, or too many elements would be patched.
pub(crate) fn amend(
    source: &dyn Source,
    chunk: &Ref,
    layout: &Layout,
    index: u64,
    changes: &[Change],
) -> Result<Option<(Patch, u32)>> {
    let mut patches: Vec<Patch> = Vec::new();
    let mut reference = *chunk;
    while reference.is_patch() {
        if patches.len() == MOST_PATCHES_READ {
            return Ok(None);
        }
        let bytes = source.object(&reference, Kind::Chunk)?;
        let patch = Patch::decode(&bytes, layout.dtype)
            .map_err(|reason| source.malformed(&reference, Kind::Chunk.name(), reason))?;
        reference = patch.base;
        patches.push(patch);
    }
    let newest = patches.first().map_or(0, |patch| patch.elements.len());
    if newest + changes.len() > most_patched(reference.len_bytes(), layout.dtype) {
        return Ok(None);
    }
    let bytes = source.object(&reference, Kind::Chunk)?;
    if bytes.get(1) != Some(&CODEC_RAW) {
        return Ok(None);
    }
    let refuse = |reason| source.malformed(&reference, Kind::Chunk.name(), reason);
    let base = ChunkView::new(bytes, layout.dtype).map_err(refuse)?;
    let (elements, gained) = amended(&base, &patches, layout, index, changes).map_err(refuse)?;
    let patch = match patches.first() {
        Some(newest) => Patch { elements, ..*newest },
        None => Patch { base: reference, depth: 0, chain_bytes: 0, elements },
    };
    Ok(Some((patch, chunk.active().saturating_add_signed(gained))))
}

/// The base of a chunk that is a patch and lies under `above` others.
pub(crate) fn base_of(source: &dyn Source, chunk: &Ref, above: u32) -> Result<Option<Ref>> {
    if !chunk.is_patch() {
        return Ok(None);
    }
    // This also ends the walk along a chain that leads back to itself.
    if above > MAX_CHAIN {
        return Err(source.malformed(chunk, Kind::Chunk.name(), TOO_LONG));
    }
    let bytes = source.object(chunk, Kind::Chunk)?;
    patch_base(&bytes).map(Some).map_err(|reason| source.malformed(chunk, Kind::Chunk.name(), reason))
}
