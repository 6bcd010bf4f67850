//! What differs between two versions, found by walking only the pages that they do not share.

use std::collections::{BTreeMap, HashSet};

use super::chunk::{Layout, difference_of};
use super::chunk_source::chunk_view;
use super::format::{MatrixRecord, Ref, Value};
use super::path::MatrixPath;
use super::snapshot::Snapshot;
use super::source::Source;
use super::tree::{Node, ROOT, read_node, split_matrix_key};
use super::writer::{read_table, read_table_node};
use crate::error::{Error, Result};

/// How a matrix differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Only the second version has it.
    Added,
    /// Only the first version has it.
    Removed,
    /// Its shape, type or scale differ.
    Reshaped,
    /// Some of its chunks differ.
    Changed,
}

/// A matrix that differs between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixDifference {
    /// The layer.
    pub layer: u32,
    /// The module.
    pub module: String,
    /// The matrix.
    pub matrix: String,
    /// How it differs.
    pub kind: DifferenceKind,
    /// Which chunks are stored differently, when it was changed.
    pub chunks: Vec<u64>,
}

type Records = BTreeMap<Vec<u8>, MatrixRecord>;

impl Snapshot {
    /// The matrices that differ between two versions (`(adapter, version)`), in order of layer, module and matrix.
    pub fn diff(&self, from: (&str, &str), to: (&str, &str)) -> Result<Vec<MatrixDifference>> {
        let source = &self.state().source;
        let (mut before, mut after) = self.unshared_records(from, to)?;
        let keys: Vec<Vec<u8>> = before
            .keys()
            .chain(after.keys())
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut differences = Vec::new();
        for key in keys {
            let (kind, chunks) = match (before.remove(&key), after.remove(&key)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(old), Some(new)) if Layout::of(&old) == Layout::of(&new) => {
                    let mut chunks = Vec::new();
                    let depth = new.chunks.depth;
                    differing(
                        source,
                        &old.chunks.children,
                        &new.chunks.children,
                        depth,
                        0,
                        &mut chunks,
                    )?;
                    (DifferenceKind::Changed, chunks)
                }
                (Some(_), Some(_)) => (DifferenceKind::Reshaped, Vec::new()),
                (Some(_), None) => (DifferenceKind::Removed, Vec::new()),
                (None, _) => (DifferenceKind::Added, Vec::new()),
            };
            let (layer, module, matrix) = split_matrix_key(&key)
                .map_err(|reason| source.malformed(&self.state().root, "an entry of the tree", reason))?;
            differences.push(MatrixDifference {
                layer,
                module,
                matrix,
                kind,
                chunks,
            });
        }
        Ok(differences)
    }

    /// Calls `visit(row, col, before, after)` for each element that differs in a matrix that [`Self::diff`] found
    /// [`DifferenceKind::Changed`]; an inactive element is +0.0.
    pub fn for_each_difference(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        difference: &MatrixDifference,
        visit: &mut dyn FnMut(usize, usize, f32, f32) -> Result<()>,
    ) -> Result<()> {
        let record = |(adapter, version): (&str, &str)| {
            let path = MatrixPath::new(
                adapter,
                version,
                difference.layer,
                &*difference.module,
                &*difference.matrix,
            );
            let found = self.matrix_record(&path)?;
            found.ok_or_else(|| Error::NotFound {
                kind: "matrix",
                name: path.to_string(),
            })
        };
        let (old, new) = (record(from)?, record(to)?);
        let layout = Layout::of(&new);
        if Layout::of(&old) != layout {
            return Err(Error::argument(
                "difference",
                "the matrices differ in shape, type or scale",
            ));
        }
        let source = &self.state().source;
        let (old, new) = (read_table(source, &old.chunks)?, read_table(source, &new.chunks)?);
        for &chunk in &difference.chunks {
            let at = usize::try_from(chunk).unwrap_or(usize::MAX);
            let get = |table: &[Ref]| table.get(at).copied().unwrap_or_default();
            compare_chunk(source, &get(&old), &get(&new), &layout, chunk, visit)?;
        }
        Ok(())
    }

    fn unshared_records(&self, from: (&str, &str), to: (&str, &str)) -> Result<(Records, Records)> {
        let source = &self.state().source;
        let root = |(adapter, version): (&str, &str)| {
            let record = self.version_record(adapter, version)?;
            let record = record.ok_or_else(|| Error::NotFound {
                kind: "version",
                name: format!("{adapter}@{version}"),
            })?;
            Ok::<_, Error>(record.root)
        };
        let mut frontiers = [root(from)?, root(to)?].map(|root| {
            if root.is_null() {
                Vec::new()
            } else {
                vec![(root, ROOT)]
            }
        });
        loop {
            drop_common(&mut frontiers);
            let mut grew = false;
            for frontier in &mut frontiers {
                let mut next = Vec::new();
                for (node, below) in frontier.drain(..) {
                    match read_node(source, &node, below)? {
                        Node::Branch(height, children) => {
                            grew = true;
                            next.extend(children.into_iter().map(|(_, child)| (child, height)));
                        }
                        Node::Leaf(_) => next.push((node, below)),
                    }
                }
                *frontier = next;
            }
            if !grew {
                break;
            }
        }
        let [before, after] = frontiers;
        Ok((records(source, &before)?, records(source, &after)?))
    }
}

/// Removes the nodes that both have.
fn drop_common(frontiers: &mut [Vec<(Ref, u8)>; 2]) {
    let [before, after] = frontiers;
    let units = |nodes: &[(Ref, u8)]| nodes.iter().map(|(node, _)| node.unit).collect::<HashSet<_>>();
    let (old, new) = (units(before), units(after));
    before.retain(|(node, _)| !new.contains(&node.unit));
    after.retain(|(node, _)| !old.contains(&node.unit));
}

fn records(source: &dyn Source, leaves: &[(Ref, u8)]) -> Result<Records> {
    let mut records = Records::new();
    for (node, below) in leaves {
        if let Node::Leaf(entries) = read_node(source, node, *below)? {
            records.extend(entries.into_iter().filter_map(|(key, value)| match value {
                Value::Matrix(record) => Some((key, record)),
                _ => None,
            }));
        }
    }
    Ok(records)
}

fn differing(
    source: &dyn Source,
    old: &[Ref],
    new: &[Ref],
    depth: u8,
    first: u64,
    chunks: &mut Vec<u64>,
) -> Result<()> {
    let span = 1u64 << (8 * u32::from(depth));
    for (slot, index) in (0..old.len().max(new.len())).zip(0u64..) {
        let get = |table: &[Ref]| table.get(slot).copied().unwrap_or_default();
        let (a, b) = (get(old), get(new));
        if a == b {
            continue;
        }
        let start = first + index * span;
        if depth == 0 {
            chunks.push(start);
            continue;
        }
        let read = |node: &Ref| {
            if node.is_null() {
                Ok(Vec::new())
            } else {
                read_table_node(source, node, depth)
            }
        };
        differing(source, &read(&a)?, &read(&b)?, depth - 1, start, chunks)?;
    }
    Ok(())
}

fn compare_chunk(
    source: &dyn Source,
    old: &Ref,
    new: &Ref,
    layout: &Layout,
    chunk: u64,
    visit: &mut dyn FnMut(usize, usize, f32, f32) -> Result<()>,
) -> Result<()> {
    let view = |reference: &Ref| {
        (!reference.is_null())
            .then(|| chunk_view(source, reference, layout, chunk))
            .transpose()
    };
    let (old_view, new_view) = (view(old)?, view(new)?);
    let numbers = layout.numbers;
    for index in 0..layout.geometry.leaves_of(chunk) {
        let leaf = layout.geometry.leaf(chunk, index);
        let mut sides: [Vec<(u16, u32)>; 2] = [Vec::new(), Vec::new()];
        for (side, (view, reference)) in sides.iter_mut().zip([(&old_view, old), (&new_view, new)]) {
            if let Some(view) = view {
                let leaf_view = view
                    .leaf(index, &leaf, numbers)
                    .map_err(|reason| source.malformed(reference, "a chunk of a matrix", reason))?;
                leaf_view.for_each(&leaf, numbers, |position, bits| side.push((position, bits)));
            }
        }
        let [before, after] = sides;
        let mut outcome = Ok(());
        difference_of(&before, &after, |position, bits| {
            let was = before
                .binary_search_by_key(&position, |(at, _)| *at)
                .ok()
                .and_then(|at| before.get(at));
            let was = was.map_or(0, |(_, bits)| *bits);
            let (row, col) = leaf.element(position);
            if outcome.is_ok() {
                outcome = visit(
                    row as usize,
                    col as usize,
                    numbers.value(was),
                    numbers.value(bits),
                );
            }
        });
        outcome?;
    }
    Ok(())
}
