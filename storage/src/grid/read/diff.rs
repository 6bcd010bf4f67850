//! What differs between two versions. Only pages are read that they do not share and that hold something selected.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::selection::Selection;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::grid::chunk::layout::Layout;
use crate::grid::chunk::patch::difference_of;
use crate::grid::format::geometry::Geometry;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::chunk_source::chunk_view;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::{read_entry, read_table_node};
use crate::grid::path::{MatrixPath, VersionPath};
use crate::grid::tree::keys::split_matrix_key;
use crate::grid::tree::node::{Node, Subtree, read_node};

/// How a matrix differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Only the second version has it.
    Added,
    /// Only the first version has it.
    Removed,
    /// Its shape or its type differs.
    Reshaped,
    /// Some of its chunks differ.
    Changed,
}

/// A matrix that differs between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixDifference {
    /// The layer; what belongs to no layer has a number that no layer has.
    pub layer: u32,
    /// The module by its name in the model's files: `q_proj`.
    pub module: String,
    /// Which matrix of the module: `A`, `B`, `delta`.
    pub matrix: String,
    /// How it differs.
    pub kind: DifferenceKind,
    /// Which chunks are stored differently, when it was changed.
    pub chunks: Vec<u64>,
}

type Records = BTreeMap<Vec<u8>, MatrixRecord>;

impl Snapshot {
    /// The matrices that differ between two versions within a selection, in order of layer,
    /// module and matrix. What the versions share is not read, nor what holds nothing of the selection.
    pub fn diff(
        &self,
        from: VersionPath<'_>,
        to: VersionPath<'_>,
        selection: &Selection,
    ) -> Result<Vec<MatrixDifference>> {
        let source = &self.state().source;
        let (mut before, mut after) = self.unshared_records(from, to, selection)?;
        let keys: BTreeSet<Vec<u8>> = before.keys().chain(after.keys()).cloned().collect();
        let mut differences = Vec::new();
        for key in keys {
            let (kind, chunks) = match (before.remove(&key), after.remove(&key)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(old), Some(new)) if Layout::of(&old) == Layout::of(&new) => {
                    let mut found = Differing {
                        source,
                        geometry: Geometry::new(new.rows, new.cols),
                        selection,
                        chunks: Vec::new(),
                    };
                    found.compare(&old.chunks.children, &new.chunks.children, new.chunks.depth, 0)?;
                    if found.chunks.is_empty() {
                        continue;
                    }
                    (DifferenceKind::Changed, found.chunks)
                }
                (Some(_), Some(_)) => (DifferenceKind::Reshaped, Vec::new()),
                (Some(_), None) => (DifferenceKind::Removed, Vec::new()),
                (None, _) => (DifferenceKind::Added, Vec::new()),
            };
            let (layer, module, matrix) = split_matrix_key(&key)
                .map_err(|reason| source.malformed(&self.state().root, "an entry of the tree", reason))?;
            differences.push(MatrixDifference { layer, module, matrix, kind, chunks });
        }
        Ok(differences)
    }

    /// Calls `visit(row, col, before, after)` for each element of a selection that differs in a matrix that
    /// [`Self::diff`] found [`DifferenceKind::Changed`]; an inactive element is +0.0.
    pub fn for_each_difference(
        &self,
        from: VersionPath<'_>,
        to: VersionPath<'_>,
        difference: &MatrixDifference,
        selection: &Selection,
        visit: &mut dyn FnMut(usize, usize, f32, f32) -> Result<()>,
    ) -> Result<()> {
        let MatrixDifference { layer, module, matrix, .. } = difference;
        let record = |of: VersionPath<'_>| {
            let path = MatrixPath::new(of.adapter, of.version, *layer, module, matrix);
            let found = self.matrix_record(&path)?;
            found.ok_or_else(|| Error::NotFound { kind: "matrix", name: path.to_string() })
        };
        let (old, new) = (record(from)?, record(to)?);
        let layout = Layout::of(&new);
        if Layout::of(&old) != layout {
            return Err(Error::argument("difference", "the matrices differ in shape or type"));
        }
        let source = &self.state().source;
        for &chunk in &difference.chunks {
            if !selection.takes_chunk(&layout.geometry, chunk) {
                continue;
            }
            let (old, new) =
                (read_entry(source, &old.chunks, chunk)?, read_entry(source, &new.chunks, chunk)?);
            compare_chunk(source, Sides { old: &old, new: &new }, &layout, chunk, selection, visit)?;
        }
        Ok(())
    }

    fn unshared_records(
        &self,
        from: VersionPath<'_>,
        to: VersionPath<'_>,
        selection: &Selection,
    ) -> Result<(Records, Records)> {
        let source = &self.state().source;
        let root = |of: VersionPath<'_>| {
            let record = self.version_record(of.adapter, of.version)?;
            let record = record.ok_or_else(|| Error::NotFound { kind: "version", name: of.to_string() })?;
            Ok::<_, Error>(record.root)
        };
        let mut frontiers = [Subtree::whole(&root(from)?), Subtree::whole(&root(to)?)];
        let mut grew = true;
        while grew {
            grew = false;
            drop_common(&mut frontiers);
            for frontier in &mut frontiers {
                let mut next = Vec::new();
                for subtree in frontier.drain(..) {
                    if !selection.may_be_between(&subtree.low, subtree.high.as_deref()) {
                        continue;
                    }
                    // A leaf waits until the other side is down to its leaves, because it may be one of them.
                    if subtree.below == 1 {
                        next.push(subtree);
                        continue;
                    }
                    match read_node(source, &subtree.node, subtree.below)? {
                        Node::Branch(height, branch) => {
                            grew = true;
                            next.extend(subtree.children(height, branch));
                        }
                        Node::Leaf(_) => next.push(Subtree { below: 1, ..subtree }),
                    }
                }
                *frontier = next;
            }
        }
        let [before, after] = frontiers;
        Ok((records(source, &before, selection)?, records(source, &after, selection)?))
    }
}

/// Removes the nodes that both have.
fn drop_common(frontiers: &mut [Vec<Subtree>; 2]) {
    let [before, after] = frontiers;
    let units = |nodes: &[Subtree]| nodes.iter().map(|subtree| subtree.node.unit).collect::<HashSet<_>>();
    let (old, new) = (units(before), units(after));
    before.retain(|subtree| !new.contains(&subtree.node.unit));
    after.retain(|subtree| !old.contains(&subtree.node.unit));
}

fn records(source: &dyn Source, leaves: &[Subtree], selection: &Selection) -> Result<Records> {
    let mut records = Records::new();
    for leaf in leaves {
        if let Node::Leaf(entries) = read_node(source, &leaf.node, leaf.below)? {
            let entries = entries.into_iter().filter(|(key, _)| selection.takes(key));
            records.extend(entries.filter_map(|(key, value)| match value {
                Value::Matrix(record) => Some((key, record)),
                _ => None,
            }));
        }
    }
    Ok(records)
}

/// The chunks of a selection that two matrices of one layout store differently.
struct Differing<'a> {
    source: &'a dyn Source,
    geometry: Geometry,
    selection: &'a Selection,
    chunks: Vec<u64>,
}

impl Differing<'_> {
    fn compare(&mut self, old: &[Ref], new: &[Ref], depth: u8, first: u64) -> Result<()> {
        let span = 1u64 << (8 * u32::from(depth));
        let wanted = self.geometry.chunks_of_rows(&self.selection.rows);
        for (position, index) in (0..old.len().max(new.len())).zip(0u64..) {
            let get = |table: &[Ref]| table.get(position).copied().unwrap_or(Ref::NULL);
            let (a, b) = (get(old), get(new));
            let start = first + index * span;
            if a == b || start >= wanted.end || start + span <= wanted.start {
                continue;
            }
            if depth == 0 {
                if self.selection.takes_chunk(&self.geometry, start) {
                    self.chunks.push(start);
                }
                continue;
            }
            let read = |node: &Ref| {
                if node.is_null() { Ok(Vec::new()) } else { read_table_node(self.source, node, depth) }
            };
            let (old, new) = (read(&a)?, read(&b)?);
            self.compare(&old, &new, depth - 1, start)?;
        }
        Ok(())
    }
}

/// A chunk as each of two versions has it; null where one has none.
#[derive(Clone, Copy)]
struct Sides<'a> {
    old: &'a Ref,
    new: &'a Ref,
}

fn compare_chunk(
    source: &dyn Source,
    sides: Sides<'_>,
    layout: &Layout,
    chunk: u64,
    selection: &Selection,
    visit: &mut dyn FnMut(usize, usize, f32, f32) -> Result<()>,
) -> Result<()> {
    let view = |reference: &Ref| {
        (!reference.is_null()).then(|| chunk_view(source, reference, layout, chunk)).transpose()
    };
    let Sides { old, new } = sides;
    let (old_view, new_view) = (view(old)?, view(new)?);
    let dtype = layout.dtype;
    for index in 0..layout.geometry.leaves_of(chunk) {
        let leaf = layout.geometry.leaf(chunk, index);
        if !leaf.overlaps(&selection.rows, &selection.cols) {
            continue;
        }
        let mut elements: [Vec<(u16, u32)>; 2] = [Vec::new(), Vec::new()];
        for (side, (view, reference)) in elements.iter_mut().zip([(&old_view, old), (&new_view, new)]) {
            if let Some(view) = view {
                let leaf_view = view
                    .leaf(index, &leaf, dtype)
                    .map_err(|reason| source.malformed(reference, Kind::Chunk.name(), reason))?;
                leaf_view.for_each(&leaf, dtype, |position, bits| side.push((position, bits)));
            }
        }
        let [before, after] = elements;
        let mut outcome = Ok(());
        difference_of(&before, &after, |position, bits| {
            let was =
                before.binary_search_by_key(&position, |(at, _)| *at).ok().and_then(|at| before.get(at));
            let was = was.map_or(0, |(_, bits)| *bits);
            let (row, col) = leaf.element(position);
            let (row, col) = (row as usize, col as usize);
            if outcome.is_ok() && selection.takes_element(row, col) {
                outcome = visit(row, col, dtype.value(was), dtype.value(bits));
            }
        });
        outcome?;
    }
    Ok(())
}
