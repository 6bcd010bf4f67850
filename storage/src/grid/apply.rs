//! Applying sparse updates to the trees.

use super::chunk::{Change, Layout, merge_chunk};
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

impl Editor {
    /// Applies a batch to matrices of drafts.
    pub(crate) fn apply(&mut self, writer: &mut Writer, batch: &UpdateBatch) -> Result<()> {
        for (path, edits) in &batch.groups {
            let key = super::tree::matrix_key(path.layer, &path.module, &path.matrix)?;
            let tree = &mut self.draft(writer, &path.adapter, &path.version, false)?.tree;
            let Some(Value::Matrix(record)) = tree.get_mut(writer, &key)? else {
                return Err(Error::NotFound {
                    kind: "matrix",
                    name: path.to_string(),
                });
            };
            apply_edits(writer, path, record, edits)?;
        }
        Ok(())
    }
}

fn apply_edits(
    writer: &mut Writer,
    path: &MatrixPath,
    record: &mut MatrixRecord,
    edits: &Edits,
) -> Result<()> {
    let layout = Layout::of(record);
    let mut changes = Vec::with_capacity(edits.len());
    for &(row, col, edit) in edits {
        if row >= record.rows || col >= record.cols {
            let shape = format!("{} x {}", record.rows, record.cols);
            return Err(Error::argument(
                "element",
                format!("({row}, {col}) is outside {path}, which is {shape}"),
            ));
        }
        changes.push(Change {
            place: layout.geometry.place(row, col),
            edit,
        });
    }
    // Stable, so that the changes of one element keep their order.
    changes.sort_by_key(|change| change.place);
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
        record.active = (record.active + u64::from(built.active)).saturating_sub(u64::from(old.active()));
        replaced.push((chunk, new));
    }
    writer.replace_entries(&mut record.chunks, &replaced, Kind::Chunk)
}
