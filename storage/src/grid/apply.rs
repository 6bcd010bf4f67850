//! Applying sparse updates to the trees.

use super::chunk::{Change, Edit, Geometry, Layout, Place, merge_chunk};
use super::chunk_source::chunk_view;
use super::editor::Editor;
use super::format::{Kind, MatrixRecord, Ref, Value};
use super::path::MatrixPath;
use super::source::Source;
use super::update::{Edits, UpdateBatch};
use super::writer::{Writer, read_table};
use crate::error::{Error, Result};

/// Applies a record of the write-ahead log to the tree under `root` and returns the new root.
pub(crate) fn apply_record(writer: &mut Writer, root: Ref, payload: &[u8]) -> Result<Ref> {
    let batch = UpdateBatch::decode(payload).map_err(|reason| {
        Error::internal(format!("a record of the write-ahead log is malformed: {reason}"))
    })?;
    let mut editor = Editor::new(root, 0);
    editor.apply(writer, &batch)?;
    editor.flush(writer)
}

type Group<'a> = (&'a MatrixPath, &'a Edits);

impl Editor {
    /// Applies a batch to matrices of drafts.
    pub(crate) fn apply(&mut self, writer: &mut Writer, batch: &UpdateBatch) -> Result<()> {
        let mut buffers = Buffers::default();
        let groups: Vec<_> = batch.groups.iter().collect();
        let same_version =
            |(a, _): &Group<'_>, (b, _): &Group<'_>| a.adapter == b.adapter && a.version == b.version;
        for of_version in groups.chunk_by(same_version) {
            let Some((first, _)) = of_version.first() else {
                continue;
            };
            let tree = &mut self.draft(writer, &first.adapter, &first.version, false)?.tree;
            for (path, edits) in of_version {
                let key = super::tree::matrix_key(path.layer, &path.module, &path.matrix)?;
                let Some(Value::Matrix(record)) = tree.get_mut(writer, &key)? else {
                    return Err(no_matrix(path));
                };
                for edits in edits.chunks(Place::ORDERS) {
                    buffers.sort(path, record, edits)?;
                    apply_changes(writer, record, &buffers.changes)?;
                }
            }
        }
        Ok(())
    }
}

fn no_matrix(path: &MatrixPath) -> Error {
    Error::NotFound {
        kind: "matrix",
        name: path.to_string(),
    }
}

fn outside(path: &MatrixPath, record: &MatrixRecord, row: u32, col: u32) -> Error {
    let shape = format!("{} x {}", record.rows, record.cols);
    Error::argument(
        "element",
        format!("({row}, {col}) is outside {path}, which is {shape}"),
    )
}

/// Vectors that one matrix after the other fills.
#[derive(Default)]
struct Buffers {
    keys: Vec<u64>,
    changes: Vec<Change>,
}

impl Buffers {
    /// Sorts edits by place, those of one place in the order in which they were given.
    fn sort(&mut self, path: &MatrixPath, record: &MatrixRecord, edits: &[(u32, u32, Edit)]) -> Result<()> {
        let geometry = Geometry::new(record.rows, record.cols);
        self.keys.clear();
        for (&(row, col, _), order) in edits.iter().zip(0u32..) {
            if row >= record.rows || col >= record.cols {
                return Err(outside(path, record, row, col));
            }
            self.keys.push(geometry.place(row, col).sort_key(order));
        }
        self.keys.sort_unstable();
        let in_order = self.keys.iter().filter_map(|key| {
            let (place, order) = Place::of_sort_key(*key);
            let (_, _, edit) = *edits.get(order as usize)?;
            Some(Change { place, edit })
        });
        self.changes.clear();
        self.changes.extend(in_order);
        Ok(())
    }
}

/// Applies sorted changes to a matrix.
fn apply_changes(writer: &mut Writer, record: &mut MatrixRecord, changes: &[Change]) -> Result<()> {
    let layout = Layout::of(record);
    let entries = read_table(&writer.objects, &record.chunks)?;
    let mut replaced = Vec::new();
    for group in changes.chunk_by(|a, b| a.place.chunk == b.place.chunk) {
        let Some(first) = group.first() else { continue };
        let chunk = first.place.chunk;
        let index = usize::try_from(chunk).unwrap_or(usize::MAX);
        let old = entries.get(index).copied().unwrap_or_default();
        let built = {
            let view = (!old.is_null())
                .then(|| chunk_view(&writer.objects, &old, &layout, chunk))
                .transpose()?;
            merge_chunk(view.as_ref(), &layout.geometry, chunk, layout.numbers, group)
                .map_err(|reason| writer.objects.malformed(&old, "a chunk of a matrix", reason))?
        };
        let new = if built.active == 0 {
            Ref::default()
        } else {
            writer.put(&built.bytes, built.active)?
        };
        record.active = record
            .active
            .saturating_add(u64::from(built.active))
            .saturating_sub(u64::from(old.active()));
        replaced.push((chunk, new));
    }
    writer.replace_entries(&mut record.chunks, &replaced, Kind::Chunk)
}
