//! Patches: a chunk as what differs from another one.
//!
//! ```text
//!   0 | kind 4, codec 3, type, 0                          | 4
//!   4 | 0                                                 | 4
//!   8 | reference to the base                             | 24
//!  32 | patches under this one, at most 128               | 4
//!  36 | their bytes                                       | 4
//!  40 | number of elements                                | 4
//!  44 | numbers of the elements, leaf x 4096 + position   | 2 each
//!     | their bits; 0 makes an element inactive           | 4 or 2 each
//! ```
//!
//! So a checkpoint in which one weight of a hundred changed, scattered over every chunk, takes the space of its changes,
//! and so does an update of a few elements. A patch owns its base. A chain of patches is read from the newest down to
//! the raw or compressed chunk at its end; a new raw chunk is written before a chain becomes longer than what it patches.

use super::codec::CODEC_PATCH;
use super::encode::HEADER_BYTES;
use super::layout::Layout;
use super::merge::{Change, Edit, after_edits};
use super::view::ChunkView;
use crate::error::Result;
use crate::grid::format::cursor::{Cursor, Encoder};
use crate::grid::format::geometry::{Geometry, Location};
use crate::grid::format::object::{Decoded, Kind};
use crate::grid::format::reference::Ref;
use crate::grid::format::value::dtype_code;
use crate::grid::path::DataType;
use crate::integer::field_u32;

/// Most patches under a patch.
pub(crate) const MAX_CHAIN: u32 = 128;
const LEAF_BITS: u32 = 12;
const POSITION_MASK: u16 = (1 << LEAF_BITS) - 1;

/// A patch, decoded.
#[derive(Debug)]
pub(crate) struct Patch {
    pub(crate) base: Ref,
    /// Patches under this one.
    pub(crate) depth: u32,
    /// Bytes of the patches under this one.
    pub(crate) chain_bytes: u32,
    /// Numbers of elements in the chunk (leaf × 4096 + position), rising, and their bits.
    pub(crate) elements: Vec<(u16, u32)>,
}

impl Patch {
    pub(crate) fn encode(&self, dtype: DataType) -> Result<Vec<u8>> {
        let count = field_u32(self.elements.len(), "the number of elements of a patch")?;
        let mut out = Encoder::with_capacity(HEADER_BYTES + Ref::BYTES + 12 + 6 * self.elements.len());
        out.u8(Kind::Chunk.code()).u8(CODEC_PATCH).u8(dtype_code(dtype)).u8(0).u32(0);
        self.base.encode(&mut out);
        out.u32(self.depth).u32(self.chain_bytes).u32(count);
        for (number, _) in &self.elements {
            out.u16(*number);
        }
        dtype.write(&mut out.bytes, self.elements.iter().map(|(_, bits)| *bits));
        Ok(out.bytes)
    }

    pub(crate) fn decode(bytes: &[u8], dtype: DataType) -> Decoded<Self> {
        let (base, mut input) = decode_base(bytes)?;
        if bytes.get(2) != Some(&dtype_code(dtype)) {
            return Err("a patch's numbers are not of its matrix's type");
        }
        let (depth, chain_bytes, count) = (input.u32()?, input.u32()?, input.u32()? as usize);
        if count > 1 << 16 || depth > MAX_CHAIN {
            return Err("a patch is too long");
        }
        let numbers = input.take(2 * count)?.as_chunks().0;
        let numbers = numbers.iter().map(|number| u16::from_le_bytes(*number));
        let values = input.take(count * dtype.bytes())?;
        let elements: Vec<(u16, u32)> = match dtype {
            DataType::F32 => {
                let values = values.as_chunks().0.iter();
                numbers.zip(values.map(|bits| u32::from_le_bytes(*bits))).collect()
            }
            DataType::F16 => {
                let values = values.as_chunks().0.iter();
                numbers.zip(values.map(|bits| u32::from(u16::from_le_bytes(*bits)))).collect()
            }
        };
        if !input.is_empty() || !elements.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err("a patch's elements are out of order");
        }
        Ok(Self { base, depth, chain_bytes, elements })
    }
}

/// The number of an element in its chunk.
fn number_of(location: Location) -> u16 {
    location.leaf << LEAF_BITS | location.position
}

/// The base of a patch, without looking at what differs.
pub(crate) fn patch_base(bytes: &[u8]) -> Decoded<Ref> {
    decode_base(bytes).map(|(base, _)| base)
}

/// The bytes of a patch, over another base.
pub(crate) fn rebase_patch(bytes: &[u8], base: &Ref) -> Decoded<Vec<u8>> {
    let (_, after) = decode_base(bytes)?;
    let mut out = Encoder::with_capacity(bytes.len());
    out.raw(Cursor::new(bytes).take(HEADER_BYTES)?);
    base.encode(&mut out);
    out.raw(after.rest());
    Ok(out.bytes)
}

fn decode_base(bytes: &[u8]) -> Decoded<(Ref, Cursor<'_>)> {
    let mut input = Cursor::new(bytes);
    let header = input.take(HEADER_BYTES)?;
    if header.get(1) != Some(&CODEC_PATCH) {
        return Err("it is not a patch");
    }
    let base = Ref::decode(&mut input)?;
    if base.is_null() { Err("a patch has no base") } else { Ok((base, input)) }
}

/// The changes that patches, newest first, amount to together.
pub(crate) fn changes_of(patches: &[Patch], chunk: u64) -> Vec<Change> {
    let mut all: Vec<(u16, usize, u32)> = Vec::new();
    for (age, patch) in patches.iter().enumerate() {
        all.extend(patch.elements.iter().map(|(number, bits)| (*number, age, *bits)));
    }
    all.sort_unstable();
    all.dedup_by_key(|(number, _, _)| *number);
    let change = |(number, _, bits): (u16, usize, u32)| Change {
        location: Location { chunk, leaf: number >> LEAF_BITS, position: number & POSITION_MASK },
        edit: Edit::Bits(bits),
    };
    all.into_iter().map(change).collect()
}

/// Most elements of a patch of a chunk of so many bytes.
pub(crate) fn most_patched(chunk_bytes: usize, dtype: DataType) -> usize {
    // Beyond a quarter of the chunk a patch is not worth its indirection.
    chunk_bytes / 4 / (2 + dtype.bytes())
}

/// The elements of the newest of `patches` over `base`, newest first, after `changes`; and by how much the number of
/// active elements rises.
pub(crate) fn amended(
    base: &ChunkView<'_>,
    patches: &[Patch],
    layout: &Layout,
    chunk: u64,
    changes: &[Change],
) -> Decoded<(Vec<(u16, u32)>, i32)> {
    let stored = |location: Location| -> Decoded<u32> {
        let number = number_of(location);
        for patch in patches {
            let found = patch.elements.binary_search_by_key(&number, |(at, _)| *at);
            if let Some((_, bits)) = found.ok().and_then(|at| patch.elements.get(at)) {
                return Ok(*bits);
            }
        }
        let index = usize::from(location.leaf);
        let leaf = layout.geometry.leaf(chunk, index);
        let view = base.leaf(index, &leaf, layout.dtype)?;
        Ok(view.bits(&leaf, location.position, layout.dtype))
    };
    let newest = patches.first().map_or(&[][..], |patch| &patch.elements);
    let mut elements = Vec::with_capacity(newest.len() + changes.len());
    let (mut rest, mut gained) = (newest, 0);
    for same in changes.chunk_by(|a, b| a.location == b.location) {
        let Some(Change { location, .. }) = same.first() else {
            continue;
        };
        let number = number_of(*location);
        let before = stored(*location)?;
        let after = after_edits(before, same, layout.dtype);
        gained += i32::from(after != 0) - i32::from(before != 0);
        let (earlier, others) = rest.split_at(rest.partition_point(|(at, _)| *at < number));
        elements.extend_from_slice(earlier);
        elements.push((number, after));
        rest = match others {
            [(at, _), others @ ..] if *at == number => others,
            others => others,
        };
    }
    elements.extend_from_slice(rest);
    Ok((elements, gained))
}

/// The elements of `new` that differ from `old`; `None` when they are more than `limit`.
pub(crate) fn differences(
    old: &ChunkView<'_>,
    new: &ChunkView<'_>,
    geometry: &Geometry,
    chunk: u64,
    dtype: DataType,
    limit: usize,
) -> Decoded<Option<Vec<(u16, u32)>>> {
    let mut found = Vec::new();
    let mut before: Vec<(u16, u32)> = Vec::new();
    let mut after: Vec<(u16, u32)> = Vec::new();
    for (index, number) in (0..geometry.leaves_of(chunk)).zip(0u16..) {
        let leaf = geometry.leaf(chunk, index);
        before.clear();
        after.clear();
        let old_leaf = old.leaf(index, &leaf, dtype)?;
        let new_leaf = new.leaf(index, &leaf, dtype)?;
        if old_leaf.form == new_leaf.form && old_leaf.body == new_leaf.body {
            continue;
        }
        old_leaf.for_each(&leaf, dtype, |position, bits| before.push((position, bits)));
        new_leaf.for_each(&leaf, dtype, |position, bits| after.push((position, bits)));
        difference_of(&before, &after, |position, bits| {
            found.push((number << LEAF_BITS | position, bits));
        });
        if found.len() > limit {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// Calls `visit(position, new bits)` where two leaves differ, in order.
pub(crate) fn difference_of(before: &[(u16, u32)], after: &[(u16, u32)], mut visit: impl FnMut(u16, u32)) {
    let mut old = before.iter().copied().peekable();
    for (position, bits) in after.iter().copied() {
        while let Some((gone, _)) = old.next_if(|(at, _)| *at < position) {
            visit(gone, 0);
        }
        let same = old.next_if(|(at, _)| *at == position).is_some_and(|(_, before)| before == bits);
        if !same {
            visit(position, bits);
        }
    }
    old.for_each(|(gone, _)| visit(gone, 0));
}
