//! Objects on their way to the file.
//!
//! Adjacent objects are collected in a run and written with one call. Nothing that is written here is reachable
//! before a superblock or a published state says so.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk_source::base_of;
use super::format::{FANOUT, Kind, MAX_OBJECT_BYTES, Ref, Table, UNIT_BYTES, decode_table_node};
use super::source::{CommittedSource, Source, check_object, read_object};
use super::space::Space;
use crate::backend::{StorageBackend, View};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

/// A run is written out when it is this long.
const RUN_BYTES: usize = 4 << 20;
/// The file grows by at least this much at a time, and by at most [`MAX_GROWTH`] more than it needs.
const MIN_GROWTH: u64 = 64 << 10;
const MAX_GROWTH: u64 = 16 << 20;

/// Reads and writes the objects of the file.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) backend: Arc<dyn StorageBackend>,
    pub(crate) path: Arc<PathBuf>,
    view: Arc<dyn View>,
    lock: Option<Arc<DirectoryLock>>,
    run_offset: u64,
    run: Vec<u8>,
}

impl Objects {
    pub(crate) fn new(backend: Arc<dyn StorageBackend>, lock: Option<Arc<DirectoryLock>>) -> Result<Self> {
        let path = Arc::new(backend.path().to_owned());
        let len = backend.len().map_err(|e| Error::io("measure", &path, e))?;
        let view = backend.view(len).map_err(|e| Error::io("map", &path, e))?;
        Ok(Self { backend, path, view, lock, run_offset: 0, run: Vec::new() })
    }

    /// What committed states are read through.
    pub(crate) fn committed(&self) -> CommittedSource {
        CommittedSource {
            path: Arc::clone(&self.path),
            view: Arc::clone(&self.view),
            lock: self.lock.clone(),
        }
    }

    /// Forgets what was not written out.
    pub(crate) fn discard(&mut self) {
        self.run.clear();
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = self.run_offset + self.run.len() as u64;
        let padded = bytes.len().next_multiple_of(usize::try_from(UNIT_BYTES).unwrap_or(64));
        if !self.run.is_empty() && (end != offset || self.run.len() + padded > RUN_BYTES) {
            self.write_out()?;
        }
        if self.run.is_empty() {
            self.run_offset = offset;
        }
        self.run.extend_from_slice(bytes);
        self.run.resize(self.run.len() + padded - bytes.len(), 0);
        Ok(())
    }

    /// Hands the collected run to the operating system.
    pub(crate) fn write_out(&mut self) -> Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        let end = self.run_offset + self.run.len() as u64;
        self.grow(end)?;
        self.backend.write(self.run_offset, &self.run).map_err(|e| Error::io("write", &self.path, e))?;
        self.run.clear();
        self.view = self.backend.view(end).map_err(|e| Error::io("map", &self.path, e))?;
        Ok(())
    }

    fn grow(&mut self, end: u64) -> Result<()> {
        let len = self.backend.len().map_err(|e| Error::io("measure", &self.path, e))?;
        if end <= len {
            return Ok(());
        }
        let step = (len / 4).clamp(MIN_GROWTH, MAX_GROWTH);
        let target = end.next_multiple_of(step);
        // Growing further than needed is a convenience; a disk without room for it may have room for less.
        self.backend
            .set_len(target)
            .or_else(|_| self.backend.set_len(end))
            .map_err(|e| Error::io("extend", &self.path, e))
    }
}

impl Source for Objects {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self, reference: &Ref, what: &'static str) -> Result<Cow<'_, [u8]>> {
        let in_run = reference.offset().checked_sub(self.run_offset).and_then(|start| {
            let start = usize::try_from(start).ok()?;
            self.run.get(start..start.checked_add(reference.len_bytes())?)
        });
        match in_run {
            Some(bytes) => {
                check_object(&self.path, reference, what, bytes)?;
                Ok(Cow::Borrowed(bytes))
            }
            None => read_object(self.view.as_ref(), &self.path, reference, what),
        }
    }
}

/// Everything that a write needs: objects, space and the number of the commit it will be.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) objects: Objects,
    pub(crate) space: Space,
    pub(crate) commit: u64,
}

impl Writer {
    /// Places an object.
    pub(crate) fn put(&mut self, bytes: &[u8], aux: u32) -> Result<Ref> {
        self.put_checked(bytes, crc32c(bytes), aux)
    }

    /// Places an object whose checksum is known.
    pub(crate) fn put_checked(&mut self, bytes: &[u8], crc: u32, aux: u32) -> Result<Ref> {
        if bytes.is_empty() || bytes.len() > MAX_OBJECT_BYTES {
            return Err(Error::internal(format!("an object of {} bytes cannot be stored", bytes.len())));
        }
        let len = u32::try_from(bytes.len()).map_err(|_| Error::internal("an object is too long"))?;
        let mut reference = Ref { unit: 0, len, crc, birth: self.commit, aux };
        reference.unit = self.space.allocate(&self.objects, reference.units())?;
        self.objects.append(reference.offset(), bytes)?;
        Ok(reference)
    }

    /// Reserves space for an object of at most this many bytes, to be filled by [`Self::fill`].
    pub(crate) fn reserve(&mut self, max_bytes: usize) -> Result<Reserved> {
        let units = (max_bytes as u64).div_ceil(UNIT_BYTES).max(1);
        Ok(Reserved { unit: self.space.allocate(&self.objects, units)?, units })
    }

    /// Places an object in reserved space. It must take all of the reserved units, because what is freed later are
    /// the units of its own length.
    pub(crate) fn fill(&mut self, reserved: Reserved, bytes: &[u8], aux: u32) -> Result<Ref> {
        let len = u32::try_from(bytes.len()).map_err(|_| Error::internal("an object is too long"))?;
        let reference = Ref { unit: reserved.unit, len, crc: crc32c(bytes), birth: self.commit, aux };
        if reference.units() != reserved.units {
            return Err(Error::internal("an object does not have the length that was reserved for it"));
        }
        self.objects.append(reference.offset(), bytes)?;
        Ok(reference)
    }

    /// One more owner of an object.
    pub(crate) fn share(&mut self, reference: &Ref) -> Result<()> {
        if reference.is_null() { Ok(()) } else { self.space.share(&self.objects, reference.unit) }
    }

    /// One owner less; `true` when others remain, `false` when the caller was the last and must free it.
    pub(crate) fn unshare(&mut self, reference: &Ref) -> Result<bool> {
        self.space.unshare(&self.objects, reference.unit)
    }

    /// Gives the space of an object back.
    pub(crate) fn free(&mut self, reference: &Ref) -> Result<()> {
        self.space.free(&self.objects, reference.unit, reference.units())
    }

    /// One owner less of a table's children and what is under them.
    pub(crate) fn release_table(&mut self, children: &[Ref], depth: u8, kind: Kind) -> Result<()> {
        for child in children.iter().filter(|child| !child.is_null()) {
            if depth == 0 && kind == Kind::Chunk {
                self.release_chunk(child, 0)?;
                continue;
            }
            if self.unshare(child)? {
                continue;
            }
            if depth > 0 {
                let entries = read_table_node(&self.objects, child, depth)?;
                self.release_table(&entries, depth - 1, kind)?;
            }
            self.free(child)?;
        }
        Ok(())
    }

    /// One owner less of a chunk, which lies under `above` patches, and of what it patches.
    fn release_chunk(&mut self, chunk: &Ref, above: u32) -> Result<()> {
        if self.unshare(chunk)? {
            return Ok(());
        }
        if let Some(base) = base_of(&self.objects, chunk, above)? {
            self.release_chunk(&base, above + 1)?;
        }
        self.free(chunk)
    }

    /// Places a table of these entries, which the caller owns.
    pub(crate) fn put_table(&mut self, entries: &[Ref]) -> Result<Table> {
        let len = entries.len() as u64;
        let depth = Table::depth_of(len).ok_or_else(|| Error::internal("a table is too long"))?;
        let mut children = entries.to_vec();
        for level in 1..=depth {
            children = children
                .chunks(FANOUT)
                .map(|group| {
                    if group.iter().all(Ref::is_null) {
                        return Ok(Ref::default());
                    }
                    let active = group.iter().fold(0u32, |sum, child| sum.saturating_add(child.active()));
                    self.put(&super::format::encode_table_node(level, group), active)
                })
                .collect::<Result<_>>()?;
        }
        Ok(Table { len, depth, children })
    }

    /// Replaces chunks of a table. The caller hands over the new ones.
    pub(crate) fn replace_chunks(&mut self, table: &mut Table, changes: &[Replacement]) -> Result<()> {
        let mut children = std::mem::take(&mut table.children);
        let done = self.replace_in(&mut children, table.depth, 0, changes);
        table.children = children;
        done
    }

    fn replace_in(
        &mut self,
        children: &mut [Ref],
        depth: u8,
        first: u64,
        changes: &[Replacement],
    ) -> Result<()> {
        let span = 1u64 << (8 * u32::from(depth));
        for group in changes.chunk_by(|a, b| (a.index - first) / span == (b.index - first) / span) {
            let Some(change) = group.first() else {
                continue;
            };
            let slot = (change.index - first) / span;
            let child = usize::try_from(slot).ok().and_then(|slot| children.get_mut(slot));
            let Some(child) = child else {
                return Err(Error::internal("an entry lies past the end of its table"));
            };
            if depth == 0 {
                let old = std::mem::replace(child, change.new);
                self.dispose(&old, change.old)?;
                continue;
            }
            let start = first + slot * span;
            let mut entries = if child.is_null() {
                vec![Ref::default(); FANOUT]
            } else {
                self.own_table_node(child, depth)?
            };
            entries.resize(FANOUT, Ref::default());
            self.replace_in(&mut entries, depth - 1, start, group)?;
            let active = entries.iter().fold(0u32, |sum, entry| sum.saturating_add(entry.active()));
            *child = self.put(&super::format::encode_table_node(depth, &entries), active)?;
        }
        Ok(())
    }

    fn dispose(&mut self, old: &Ref, predecessor: Predecessor) -> Result<()> {
        match predecessor {
            _ if old.is_null() => Ok(()),
            Predecessor::Released => self.release_chunk(old, 0),
            Predecessor::Patched => Ok(()),
            Predecessor::Inherited(base) => {
                if self.unshare(old)? {
                    self.share(&base)
                } else {
                    self.free(old)
                }
            }
        }
    }

    /// Reads a node that will be rewritten: its entries are the caller's alone afterwards.
    fn own_table_node(&mut self, node: &Ref, depth: u8) -> Result<Vec<Ref>> {
        let entries = read_table_node(&self.objects, node, depth)?;
        if self.unshare(node)? {
            for entry in &entries {
                self.share(entry)?;
            }
        } else {
            self.free(node)?;
        }
        Ok(entries)
    }
}

/// A new chunk of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacement {
    pub(crate) index: u64,
    pub(crate) new: Ref,
    pub(crate) old: Predecessor,
}

/// What becomes of a chunk that another one replaces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Predecessor {
    /// It has one owner less.
    Released,
    /// The new one is a patch of it, and owns it instead of the table.
    Patched,
    /// It is a patch of this, as the new one is, which takes it over where the old one had no other owner.
    Inherited(Ref),
}

/// Space that waits for its object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    pub(crate) unit: u64,
    pub(crate) units: u64,
}

pub(crate) fn read_table_node(source: &dyn Source, node: &Ref, depth: u8) -> Result<Vec<Ref>> {
    let bytes = source.object(node, Kind::Table)?;
    decode_table_node(&bytes, depth).map_err(|reason| source.malformed(node, "a table of chunks", reason))
}

/// One entry of a table, null past its end; of the nodes only those above it are read.
pub(crate) fn read_entry(source: &dyn Source, table: &Table, index: u64) -> Result<Ref> {
    let slot = |level: u8| usize::try_from(index >> (8 * u32::from(level))).unwrap_or(usize::MAX);
    let mut entry = table.children.get(slot(table.depth)).copied().unwrap_or_default();
    for level in (1..=table.depth).rev() {
        if entry.is_null() {
            break;
        }
        let entries = read_table_node(source, &entry, level)?;
        entry = entries.get(slot(level - 1) % FANOUT).copied().unwrap_or_default();
    }
    Ok(entry)
}

/// All entries of a table, in order.
pub(crate) fn read_table(source: &dyn Source, table: &Table) -> Result<Vec<Ref>> {
    let mut entries = table.children.clone();
    for level in (1..=table.depth).rev() {
        let mut below = Vec::with_capacity(entries.len() * FANOUT);
        for node in &entries {
            let start = below.len();
            if !node.is_null() {
                below.extend(read_table_node(source, node, level)?);
            }
            below.resize(start + FANOUT, Ref::default());
        }
        entries = below;
    }
    entries.resize(usize::try_from(table.len).unwrap_or(usize::MAX).min(entries.len()), Ref::default());
    Ok(entries)
}
