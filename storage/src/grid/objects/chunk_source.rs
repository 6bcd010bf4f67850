//! Chunks as they are stored, and what it takes to have them raw.

use std::borrow::Cow;

use super::chunk::{
    CODEC_LZ4, CODEC_PATCH, CODEC_RAW, CODEC_ZSTD, Change, ChunkView, Layout, MAX_CHAIN, Patch, amended,
    changes_of, decompress, differences, merge_chunk, most_patched, patch_base,
};
use super::format::{Kind, Malformed, Ref};
use super::source::Source;
use super::writer::Writer;
use crate::error::Result;

const WHAT: &str = "a chunk of a matrix";
const TOO_LONG: Malformed = "its chain of patches is too long";
/// Patches that a change looks through; under more of them it is worth writing the chunk anew.
const MOST_LOOKED_THROUGH: usize = 4;

/// A chunk of a matrix: where it lies when it is raw, else unpacked.
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
        let refuse = |reason| source.malformed(&reference, WHAT, reason);
        let raw = match bytes.get(1) {
            Some(&CODEC_PATCH) => {
                let patch = Patch::decode(&bytes, layout.numbers).map_err(refuse)?;
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
        let base = ChunkView::new(raw, layout.numbers.dtype).map_err(refuse)?;
        if patches.is_empty() {
            return Ok(base);
        }
        let changes = changes_of(&patches, index);
        let built =
            merge_chunk(Some(&base), &layout.geometry, index, layout.numbers, &changes).map_err(refuse)?;
        return ChunkView::new(Cow::Owned(built.bytes), layout.numbers.dtype).map_err(refuse);
    }
}

/// The chunk after a few changes, sorted as [`merge_chunk`] wants them, as a patch in place of its newest one; and how
/// many of its elements are active. `None` where the chunk is better written anew: when it is compressed, or when what
/// is patched comes to too much.
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
        if patches.len() == MOST_LOOKED_THROUGH {
            return Ok(None);
        }
        let bytes = source.object(&reference, Kind::Chunk)?;
        let patch = Patch::decode(&bytes, layout.numbers)
            .map_err(|reason| source.malformed(&reference, WHAT, reason))?;
        reference = patch.base;
        patches.push(patch);
    }
    let newest = patches.first().map_or(0, |patch| patch.elements.len());
    if newest + changes.len() > most_patched(reference.len_bytes(), layout.numbers) {
        return Ok(None);
    }
    let bytes = source.object(&reference, Kind::Chunk)?;
    if bytes.get(1) != Some(&CODEC_RAW) {
        return Ok(None);
    }
    let refuse = |reason| source.malformed(&reference, WHAT, reason);
    let base = ChunkView::new(bytes, layout.numbers.dtype).map_err(refuse)?;
    let (elements, gained) = amended(&base, &patches, layout, index, changes).map_err(refuse)?;
    let patch = match patches.first() {
        Some(newest) => Patch { elements, ..*newest },
        None => Patch { base: reference, depth: 0, chain_bytes: 0, elements },
    };
    Ok(Some((patch, chunk.active().saturating_add_signed(gained))))
}

/// The base of a chunk that is a patch and lies under `above` others. A chain that is longer than the format allows
/// is refused, which also ends the walk along one that leads back to itself.
pub(crate) fn base_of(source: &dyn Source, chunk: &Ref, above: u32) -> Result<Option<Ref>> {
    if !chunk.is_patch() {
        return Ok(None);
    }
    if above > MAX_CHAIN {
        return Err(source.malformed(chunk, WHAT, TOO_LONG));
    }
    let bytes = source.object(chunk, Kind::Chunk)?;
    patch_base(&bytes).map(Some).map_err(|reason| source.malformed(chunk, WHAT, reason))
}

impl Writer {
    /// Places a raw chunk that replaces `old`, as a patch of it when that is much smaller. The new chunk is the
    /// caller's; the old one stays whose it was.
    pub(crate) fn put_successor(
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
        let refuse = |writer: &Self, reason| writer.objects.malformed(old, WHAT, reason);
        let new = ChunkView::new(Cow::Borrowed(raw), layout.numbers.dtype).map_err(|r| refuse(self, r))?;
        let limit = most_patched(raw.len(), layout.numbers);
        let found = differences(view, &new, &layout.geometry, index, layout.numbers, limit);
        let Some(elements) = found.map_err(|reason| refuse(self, reason))? else {
            return self.put(raw, active);
        };
        let (depth, chain_bytes) = if old.is_patch() {
            let bytes = self.objects.object(old, Kind::Chunk)?;
            let patch = Patch::decode(&bytes, layout.numbers).map_err(|reason| refuse(self, reason))?;
            (patch.depth + 1, patch.chain_bytes.saturating_add(old.len))
        } else {
            (0, 0)
        };
        let patch = Patch { base: *old, depth, chain_bytes, elements };
        let bytes = patch.encode(layout.numbers);
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
