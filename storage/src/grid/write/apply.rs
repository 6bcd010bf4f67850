//! Applying sparse updates to the trees.
//!
//! Chunks are built in parallel, from the old ones and the changes, and then stored one after the other: building is
//! most of the work and only reads, storing decides where objects lie. A few changes of a chunk become a patch of it,
//! more of them a new chunk.

use rayon::prelude::*;

use super::editor::Editor;
use super::update::{Edits, UpdateBatch};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::grid::chunk::layout::Layout;
use crate::grid::chunk::merge::{Change, Edit, merge_chunk};
use crate::grid::format::geometry::{Geometry, Location};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::chunk_source::{amend, chunk_view};
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;
use crate::grid::objects::writer::{Objects, Predecessor, Replacement, Writer};
use crate::grid::path::MatrixPath;
use crate::grid::tree::edit::Tree;
use crate::grid::tree::keys::matrix_key;
use crate::integer::to_usize;

/// Matrices whose chunks are built before the first of them is stored.
const WINDOW: usize = 256;
/// Fewer edits than this are applied before other threads would have woken up.
const PARALLEL_EDITS: usize = 8192;

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
        let groups: Vec<_> = batch.groups.iter().collect();
        let same_version =
            |(a, _): &Group<'_>, (b, _): &Group<'_>| a.adapter == b.adapter && a.version == b.version;
        for version_groups in groups.chunk_by(same_version) {
            let Some((first, _)) = version_groups.first() else {
                continue;
            };
            let tree = &mut self.draft(writer, &first.adapter, &first.version, false)?.tree;
            let edits: usize = version_groups.iter().map(|(_, edits)| edits.len()).sum();
            if edits < PARALLEL_EDITS {
                apply_in_turn(writer, tree, version_groups)?;
            } else {
                for window in version_groups.chunks(WINDOW) {
                    apply_in_parallel(writer, tree, window)?;
                }
            }
        }
        Ok(())
    }
}

/// Applies few edits, fewer than sort keys can tell apart.
fn apply_in_turn(writer: &mut Writer, tree: &mut Tree, groups: &[Group<'_>]) -> Result<()> {
    let mut buffers = Buffers::default();
    for (path, edits) in groups {
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        let record = matrix_record(writer, tree, path, &key)?;
        let chunks = build(&writer.objects, path, record, edits, &mut buffers)?;
        store_chunks(writer, record, &chunks)?;
    }
    Ok(())
}

/// Applies the edits of some matrices, of each at most as many at a time as sort keys can tell apart.
fn apply_in_parallel(writer: &mut Writer, tree: &mut Tree, window: &[Group<'_>]) -> Result<()> {
    let longest = window.iter().map(|(_, edits)| edits.len()).max().unwrap_or(0);
    for round in 0..longest.div_ceil(Location::ORDERS) {
        let mut works = Vec::with_capacity(window.len());
        for (path, edits) in window {
            let Some(edits) = edits.chunks(Location::ORDERS).nth(round) else {
                continue;
            };
            let key = matrix_key(path.layer, &path.module, &path.matrix)?;
            let record = matrix_record(writer, tree, path, &key)?.clone();
            works.push((*path, edits, key, record));
        }
        let objects = &writer.objects;
        let built: Vec<_> = works
            .par_iter()
            .map_init(Buffers::default, |buffers, (path, edits, _, record)| {
                build(objects, path, record, edits, buffers)
            })
            .collect::<Result<_>>()?;
        for ((path, _, key, _), chunks) in works.iter().zip(built) {
            let record = matrix_record(writer, tree, path, key)?;
            store_chunks(writer, record, &chunks)?;
        }
    }
    Ok(())
}

fn matrix_record<'a>(
    writer: &mut Writer,
    tree: &'a mut Tree,
    path: &MatrixPath,
    key: &[u8],
) -> Result<&'a mut MatrixRecord> {
    match tree.get_mut(writer, key)? {
        Some(Value::Matrix(record)) => Ok(record),
        _ => Err(no_matrix(path)),
    }
}

/// A new chunk that is not stored yet.
struct Successor {
    chunk: u64,
    old: Ref,
    bytes: Vec<u8>,
    /// Checksum of the bytes.
    crc: u32,
    /// Active elements.
    active: u32,
    /// What becomes of the old chunk.
    predecessor: Predecessor,
}

/// The new chunks of a matrix, in order.
fn build(
    objects: &Objects,
    path: &MatrixPath,
    record: &MatrixRecord,
    edits: &[(u32, u32, Edit)],
    buffers: &mut Buffers,
) -> Result<Vec<Successor>> {
    buffers.sort(path, record, edits)?;
    let layout = Layout::of(record);
    let entries = read_table(objects, &record.chunks)?;
    let by_chunk = buffers.changes.chunk_by(|a, b| a.location.chunk == b.location.chunk);
    by_chunk
        .map(|changes| {
            let chunk = changes.first().map_or(0, |change| change.location.chunk);
            let old = entries.get(to_usize(chunk)).copied().unwrap_or(Ref::NULL);
            successor(objects, &layout, chunk, old, changes)
        })
        .collect()
}

fn successor(
    objects: &Objects,
    layout: &Layout,
    chunk: u64,
    old: Ref,
    changes: &[Change],
) -> Result<Successor> {
    let mut view = None;
    if !old.is_null() {
        if let Some((patch, active)) = amend(objects, &old, layout, chunk, changes)? {
            let bytes = patch.encode(layout.dtype)?;
            return Ok(Successor {
                chunk,
                old,
                crc: crc32c(&bytes),
                bytes,
                active,
                predecessor: if patch.base == old {
                    Predecessor::Patched
                } else {
                    Predecessor::Inherited(patch.base)
                },
            });
        }
        view = Some(chunk_view(objects, &old, layout, chunk)?);
    }
    let built = merge_chunk(view.as_ref(), &layout.geometry, chunk, layout.dtype, changes)
        .map_err(|reason| objects.malformed(&old, Kind::Chunk.name(), reason))?;
    Ok(Successor {
        chunk,
        old,
        crc: crc32c(&built.bytes),
        bytes: built.bytes,
        active: built.active,
        predecessor: Predecessor::Released,
    })
}

/// Stores the new chunks of a matrix and puts them into its table.
fn store_chunks(writer: &mut Writer, record: &mut MatrixRecord, chunks: &[Successor]) -> Result<()> {
    let mut replaced = Vec::with_capacity(chunks.len());
    for new in chunks {
        let kind = match new.predecessor {
            Predecessor::Released => 0,
            Predecessor::Patched | Predecessor::Inherited(_) => Ref::PATCH,
        };
        let (reference, old) = if new.active == 0 {
            (Ref::NULL, Predecessor::Released)
        } else {
            (writer.put_checked(&new.bytes, new.crc, new.active | kind)?, new.predecessor)
        };
        let active = (record.active + u64::from(new.active)).checked_sub(u64::from(new.old.active()));
        record.active = active.ok_or_else(|| {
            let reason = "it has more active elements than its matrix";
            writer.objects.malformed(&new.old, Kind::Chunk.name(), reason)
        })?;
        replaced.push(Replacement { index: new.chunk, new: reference, old });
    }
    writer.replace_chunks(&mut record.chunks, &replaced)
}

fn no_matrix(path: &MatrixPath) -> Error {
    Error::NotFound { kind: "matrix", name: path.to_string() }
}

fn outside(path: &MatrixPath, record: &MatrixRecord, row: u32, col: u32) -> Error {
    let shape = format!("{} x {}", record.rows, record.cols);
    Error::argument("element", format!("({row}, {col}) is outside {path}, which is {shape}"))
}

/// Vectors that are reused for one matrix after the other.
#[derive(Default)]
struct Buffers {
    keys: Vec<u64>,
    changes: Vec<Change>,
}

impl Buffers {
    /// Sorts edits by location, those of one location in the order in which they were given.
    fn sort(&mut self, path: &MatrixPath, record: &MatrixRecord, edits: &[(u32, u32, Edit)]) -> Result<()> {
        let geometry = Geometry::new(record.rows, record.cols);
        self.keys.clear();
        for (&(row, col, _), order) in edits.iter().zip(0u32..) {
            if row >= record.rows || col >= record.cols {
                return Err(outside(path, record, row, col));
            }
            self.keys.push(geometry.locate(row, col).sort_key(order));
        }
        self.keys.sort_unstable();
        let in_order = self.keys.iter().filter_map(|key| {
            let (location, order) = Location::from_sort_key(*key);
            let (_, _, edit) = *edits.get(order as usize)?;
            Some(Change { location, edit })
        });
        self.changes.clear();
        self.changes.extend(in_order);
        Ok(())
    }
}
