//! How much there is, how dense it is and how much of it is shared.

use crate::error::{Error, Result};
use crate::grid::commit::head::Head;
use crate::grid::format::object::{Kind, UNIT_BYTES};
use crate::grid::format::reference::Ref;
use crate::grid::format::region::REGION_UNITS;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::chunk_source::base_of;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table_node;
use crate::grid::objects::writer::Writer;
use crate::grid::read::snapshot::Snapshot;
use crate::grid::tree::node::{Node, ROOT, read_node};

/// The store as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridStatistics {
    /// Length of `grid.data`.
    pub file_bytes: u64,
    /// Bytes of it that the newest state uses.
    pub used_bytes: u64,
    /// Bytes of the write-ahead log that are not folded into the tree.
    pub wal_bytes: u64,
    /// The newest commit's number.
    pub commit_number: u64,
    /// The newest durable superblock's number.
    pub durable_commit_number: u64,
}

/// A version of an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VersionStatistics {
    /// Matrices.
    pub matrices: u64,
    /// Rows times columns of all of them.
    pub elements: u64,
    /// Elements whose bits are not those of +0.0.
    pub active: u64,
    /// Chunks stored.
    pub chunks: u64,
    /// Of them patches of other chunks.
    pub patches: u64,
    /// Bytes of everything that the version refers to.
    pub bytes: u64,
    /// Of them those that another version refers to as well.
    pub shared_bytes: u64,
}

impl VersionStatistics {
    /// Active elements over all elements.
    #[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
    pub fn density(&self) -> f64 {
        if self.elements == 0 { 0.0 } else { self.active as f64 / self.elements as f64 }
    }
}

/// How large the store is.
pub(crate) fn store_statistics(head: &Head) -> Result<GridStatistics> {
    let objects = &head.writer.objects;
    let file_bytes = objects.backend.len().map_err(|e| Error::io("measure", &objects.path, e))?;
    let regions = &head.writer.space.regions;
    let free: u64 = regions.iter().map(|region| u64::from(region.free)).sum();
    let all = (regions.len() * REGION_UNITS) as u64;
    Ok(GridStatistics {
        file_bytes,
        used_bytes: all.saturating_sub(free) * UNIT_BYTES,
        wal_bytes: head.wal.len(),
        commit_number: head.commit,
        durable_commit_number: head.durable.commit,
    })
}

/// What a version of the newest state holds and shares, found without reading its chunks.
pub(crate) fn version_statistics(head: &mut Head, adapter: &str, version: &str) -> Result<VersionStatistics> {
    let record = Snapshot::new(head.state()).version_record(adapter, version)?;
    let record =
        record.ok_or_else(|| Error::NotFound { kind: "version", name: format!("{adapter}@{version}") })?;
    let mut sum = Sum { writer: &mut head.writer, found: VersionStatistics::default() };
    if !record.root.is_null() {
        sum.tree(&record.root, ROOT, false)?;
    }
    Ok(sum.found)
}

struct Sum<'a> {
    writer: &'a mut Writer,
    found: VersionStatistics,
}

impl Sum<'_> {
    /// Counts an object and says whether it, and with it what is below, is shared.
    fn add(&mut self, object: &Ref, shared: bool) -> Result<bool> {
        let shared = shared || self.writer.space.extra_owners(&self.writer.objects, object.unit)? > 0;
        let bytes = u64::from(object.units()) * UNIT_BYTES;
        self.found.bytes += bytes;
        self.found.shared_bytes += if shared { bytes } else { 0 };
        Ok(shared)
    }

    fn tree(&mut self, node: &Ref, below: u8, shared: bool) -> Result<()> {
        let shared = self.add(node, shared)?;
        match read_node(&self.writer.objects, node, below)? {
            Node::Branch(height, children) => {
                children.iter().try_for_each(|(_, child)| self.tree(child, height, shared))
            }
            Node::Leaf(entries) => entries.iter().try_for_each(|(_, value)| match value {
                Value::Matrix(record) => self.matrix(record, shared),
                _ => Ok(()),
            }),
        }
    }

    fn matrix(&mut self, record: &MatrixRecord, shared: bool) -> Result<()> {
        self.found.matrices += 1;
        self.found.elements += u64::from(record.rows) * u64::from(record.cols);
        self.found.active += record.active;
        self.table(&record.chunks.children, record.chunks.depth, shared)
    }

    fn table(&mut self, children: &[Ref], depth: u8, shared: bool) -> Result<()> {
        for child in children.iter().filter(|child| !child.is_null()) {
            let shared = self.add(child, shared)?;
            if depth > 0 {
                let entries = read_table_node(&self.writer.objects, child, depth)?;
                self.table(&entries, depth - 1, shared)?;
                continue;
            }
            self.found.chunks += 1;
            self.chain(child, shared)?;
        }
        Ok(())
    }

    /// The chunks under a patch.
    fn chain(&mut self, chunk: &Ref, shared: bool) -> Result<()> {
        let mut chunk = *chunk;
        let mut shared = shared;
        self.found.patches += u64::from(chunk.is_patch());
        for above in 0.. {
            let Some(base) = base_of(&self.writer.objects, &chunk, above)? else {
                break;
            };
            shared = self.add(&base, shared)?;
            self.writer.objects.object(&base, Kind::Chunk)?;
            chunk = base;
        }
        Ok(())
    }
}
