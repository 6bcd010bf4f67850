//! Sparse changes of a chunk.

use super::encode::{Built, ChunkBuilder};
use super::view::ChunkView;
use crate::grid::format::geometry::{Geometry, Location};
use crate::grid::format::object::Decoded;
use crate::grid::path::DataType;

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
    pub(crate) location: Location,
    pub(crate) edit: Edit,
}

/// The chunk after `changes`, which are of this chunk and sorted by location, those of one location in the order in
/// which they apply.
pub(crate) fn merge_chunk(
    old: Option<&ChunkView<'_>>,
    geometry: &Geometry,
    chunk: u64,
    dtype: DataType,
    changes: &[Change],
) -> Decoded<Built> {
    let leaves = geometry.leaves_of(chunk);
    if old.is_some_and(|old| old.leaves() != leaves) {
        return Err("a chunk has not as many leaves as its matrix");
    }
    let capacity = old.map_or(0, |old| old.bytes().len()) + 8 * changes.len();
    let mut builder = ChunkBuilder::new(dtype, leaves, capacity.max(256));
    let mut before: Vec<(u16, u32)> = Vec::new();
    let mut after: Vec<(u16, u32)> = Vec::new();
    let mut rest = changes;
    for (index, number) in (0..leaves).zip(0u16..) {
        let split = rest.partition_point(|change| change.location.leaf <= number);
        let (mine, others) = rest.split_at(split);
        rest = others;
        let leaf = geometry.leaf(chunk, index);
        let view = old.map(|old| old.leaf(index, &leaf, dtype)).transpose()?;
        if mine.is_empty() {
            match view {
                Some(view) => builder.push_encoded(view.form, view.active, view.body),
                None => builder.push(&leaf, &[]),
            }
            continue;
        }
        before.clear();
        if let Some(view) = view {
            view.collect_into(&leaf, dtype, &mut before);
        }
        merge(&before, mine, dtype, &mut after);
        builder.push(&leaf, &after);
    }
    Ok(builder.finish())
}

fn merge(before: &[(u16, u32)], changes: &[Change], dtype: DataType, after: &mut Vec<(u16, u32)>) {
    after.clear();
    after.resize(before.len() + changes.len(), (0, 0));
    let (mut old, mut new, mut len) = (before, changes, 0);
    // Whether an old element or a change comes next cannot be predicted, so the loop decides it without a branch.
    while let (Some(&(at, bits)), Some(change)) = (old.first(), new.first()) {
        let position = change.location.position;
        let (same, later) = new.split_at(count_same(new, position));
        let stored = if at == position { bits } else { 0 };
        let edited = after_edits(stored, same, dtype);
        let bits = if position <= at { edited } else { bits };
        if let Some(target) = after.get_mut(len) {
            *target = (at.min(position), bits);
        }
        len += usize::from(bits != 0);
        old = old.split_at(usize::from(at <= position)).1;
        new = if position <= at { later } else { new };
    }
    after.truncate(len);
    after.extend_from_slice(old);
    while let Some(change) = new.first() {
        let position = change.location.position;
        let (mine, others) = new.split_at(count_same(new, position));
        let bits = after_edits(0, mine, dtype);
        if bits != 0 {
            after.push((position, bits));
        }
        new = others;
    }
}

/// How many of the first changes, which are of one leaf, are of this position.
fn count_same(changes: &[Change], position: u16) -> usize {
    changes.iter().take_while(|change| change.location.position == position).count()
}

/// The bits of an element after its changes, in their order.
pub(crate) fn after_edits(stored: u32, changes: &[Change], dtype: DataType) -> u32 {
    changes.iter().fold(stored, |bits, change| match change.edit {
        Edit::Set(value) => dtype.bits(value),
        Edit::Add(value) => dtype.bits(dtype.value(bits) + value),
        Edit::Clear => 0,
        Edit::Bits(bits) => bits,
    })
}
