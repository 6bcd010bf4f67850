//! Sparse changes of a chunk.

use super::encode::{Built, ChunkBuilder};
use super::geometry::{Geometry, Place};
use super::numbers::Numbers;
use super::view::ChunkView;
use crate::grid::format::Decoded;

/// What happens to an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Edit {
    /// It becomes this.
    Set(f32),
    /// This is added to it, in f32.
    Add(f32),
    /// It becomes +0.0.
    Clear,
    /// It gets these bits.
    Bits(u32),
}

/// A change of one element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) place: Place,
    pub(crate) edit: Edit,
}

/// The chunk after `changes`, which are of this chunk and sorted by place, those of one place in the order in which
/// they apply.
pub(crate) fn merge_chunk(
    old: Option<&ChunkView<'_>>,
    geometry: &Geometry,
    chunk: u64,
    numbers: Numbers,
    changes: &[Change],
) -> Decoded<Built> {
    let leaves = geometry.leaves_of(chunk);
    if old.is_some_and(|old| old.leaves() != leaves) {
        return Err("a chunk has not as many leaves as its matrix");
    }
    let room = old.map_or(0, |old| old.bytes().len()) + 8 * changes.len();
    let mut builder = ChunkBuilder::new(numbers, leaves, room.max(256));
    let mut before: Vec<(u16, u32)> = Vec::new();
    let mut after: Vec<(u16, u32)> = Vec::new();
    let mut rest = changes;
    for (index, number) in (0..leaves).zip(0u16..) {
        let split = rest.partition_point(|change| change.place.leaf <= number);
        let (mine, others) = rest.split_at_checked(split).unwrap_or((rest, &[]));
        rest = others;
        let leaf = geometry.leaf(chunk, index);
        let view = old.map(|old| old.leaf(index, &leaf, numbers)).transpose()?;
        if mine.is_empty() {
            match view {
                Some(view) => builder.push_encoded(view.form, view.active, view.body),
                None => builder.push(&leaf, &[]),
            }
            continue;
        }
        before.clear();
        if let Some(view) = view {
            view.collect_into(&leaf, numbers, &mut before);
        }
        merge(&before, mine, numbers, &mut after);
        builder.push(&leaf, &after);
    }
    Ok(builder.finish())
}

fn merge(before: &[(u16, u32)], changes: &[Change], numbers: Numbers, after: &mut Vec<(u16, u32)>) {
    after.clear();
    after.reserve(before.len() + changes.len());
    let mut old = before;
    // All are of one leaf.
    for same_place in changes.chunk_by(|a, b| a.place.position == b.place.position) {
        let Some(first) = same_place.first() else { continue };
        let position = first.place.position;
        while let Some((kept, rest)) = old.split_first()
            && kept.0 < position
        {
            after.push(*kept);
            old = rest;
        }
        let mut stored = 0;
        if let Some(((at, bits), rest)) = old.split_first()
            && *at == position
        {
            stored = *bits;
            old = rest;
        }
        let bits = after_edits(stored, same_place, numbers);
        if bits != 0 {
            after.push((position, bits));
        }
    }
    after.extend_from_slice(old);
}

/// The bits of an element after its changes, in their order.
pub(crate) fn after_edits(stored: u32, changes: &[Change], numbers: Numbers) -> u32 {
    changes.iter().fold(stored, |bits, change| match change.edit {
        Edit::Set(value) => numbers.bits(value),
        Edit::Add(value) => numbers.bits(numbers.value(bits) + value),
        Edit::Clear => 0,
        Edit::Bits(bits) => bits,
    })
}
