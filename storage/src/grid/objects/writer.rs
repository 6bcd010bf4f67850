//! Objects on their way to the file.
//!
//! Adjacent objects are collected in a run and written with one call.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk_source::base_of;
use super::source::{CommittedSource, Source, check_object, read_object};
use super::space::Space;
use super::table_reader::read_table_node;
use crate::backend::traits::{StorageBackend, View};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::grid::format::object::{Kind, MAX_OBJECT_BYTES, UNIT_BYTES};
use crate::grid::format::reference::Ref;
use crate::grid::format::table::{FANOUT, Table, encode_table_node};
use crate::integer::{field_u32, to_usize};
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
        let padded = bytes.len().next_multiple_of(to_usize(UNIT_BYTES));
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
        // The file grows further than needed to grow seldom. A disk too full for that may still take what is needed.
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
            let start = to_usize(start);
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

/// What a write needs: objects, space and the number of the commit it will be.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) objects: Objects,
    pub(crate) space: Space,
    pub(crate) commit: u64,
}

impl Writer {
    /// Stores an object.
    pub(crate) fn put(&mut self, bytes: &[u8], aux: u32) -> Result<Ref> {
        self.put_checked(bytes, crc32c(bytes), aux)
    }

    /// Stores an object whose checksum is known.
    pub(crate) fn put_checked(&mut self, bytes: &[u8], crc: u32, aux: u32) -> Result<Ref> {
        if bytes.is_empty() || bytes.len() > MAX_OBJECT_BYTES {
            return Err(Error::internal(format!("an object of {} bytes cannot be stored", bytes.len())));
        }
        let len = field_u32(bytes.len(), "the length of an object")?;
        let mut reference = Ref { unit: 0, len, crc, birth: self.commit, aux };
        reference.unit = self.space.allocate(&self.objects, reference.units())?;
        self.objects.append(reference.offset(), bytes)?;
        Ok(reference)
    }

    /// Reserves space for an object of at most this many bytes, to be filled by [`Self::fill`].
    pub(crate) fn reserve(&mut self, max_bytes: usize) -> Result<Reserved> {
        let units = max_bytes.div_ceil(to_usize(UNIT_BYTES)).max(1);
        let units = field_u32(units, "the number of units to reserve")?;
        Ok(Reserved { unit: self.space.allocate(&self.objects, units)?, units })
    }

    /// Stores an object in reserved space, all of whose units it must take: freeing the object frees the units of its
    /// length.
    pub(crate) fn fill(&mut self, reserved: Reserved, bytes: &[u8], aux: u32) -> Result<Ref> {
        let len = field_u32(bytes.len(), "the length of an object")?;
        let reference = Ref { unit: reserved.unit, len, crc: crc32c(bytes), birth: self.commit, aux };
        if reference.units() != reserved.units {
            return Err(Error::internal("an object does not have the length that was reserved for it"));
        }
        self.objects.append(reference.offset(), bytes)?;
        Ok(reference)
    }

    /// Adds an owner of an object.
    pub(crate) fn share(&mut self, reference: &Ref) -> Result<()> {
        if reference.is_null() { Ok(()) } else { self.space.share(&self.objects, reference.unit) }
    }

    /// Removes an owner; `true` when others remain, `false` when the caller was the last and must free the object.
    pub(crate) fn unshare(&mut self, reference: &Ref) -> Result<bool> {
        self.space.unshare(&self.objects, reference.unit)
    }

    /// Gives the space of an object back.
    pub(crate) fn free(&mut self, reference: &Ref) -> Result<()> {
        self.space.free(&self.objects, reference.unit, reference.units())
    }

    /// Removes an owner of a table's children, and of what is under those that have no other.
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

    /// Removes an owner of a chunk, which lies under `above` patches, and of its base when it has no other.
    fn release_chunk(&mut self, chunk: &Ref, above: u32) -> Result<()> {
        if self.unshare(chunk)? {
            return Ok(());
        }
        if let Some(base) = base_of(&self.objects, chunk, above)? {
            self.release_chunk(&base, above + 1)?;
        }
        self.free(chunk)
    }

    /// Stores a table of these entries, which the caller owns.
    pub(crate) fn put_table(&mut self, entries: &[Ref]) -> Result<Table> {
        let len = entries.len() as u64;
        let depth = Table::depth_of(len).ok_or_else(|| Error::internal("a table is too long"))?;
        let mut children = entries.to_vec();
        for level in 1..=depth {
            children = children
                .chunks(FANOUT)
                .map(|group| {
                    if group.iter().all(Ref::is_null) {
                        return Ok(Ref::NULL);
                    }
                    let active = group.iter().fold(0u32, |sum, child| sum.saturating_add(child.active()));
                    self.put(&encode_table_node(level, group)?, active)
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
            let position = (change.index - first) / span;
            let Some(child) = children.get_mut(to_usize(position)) else {
                return Err(Error::internal("an entry lies past the end of its table"));
            };
            if depth == 0 {
                let old = std::mem::replace(child, change.new);
                self.dispose(&old, change.old)?;
                continue;
            }
            let start = first + position * span;
            let mut entries =
                if child.is_null() { vec![Ref::NULL; FANOUT] } else { self.own_table_node(child, depth)? };
            entries.resize(FANOUT, Ref::NULL);
            self.replace_in(&mut entries, depth - 1, start, group)?;
            let active = entries.iter().fold(0u32, |sum, entry| sum.saturating_add(entry.active()));
            *child = self.put(&encode_table_node(depth, &entries)?, active)?;
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

    /// Takes a node over, to be rewritten: its entries belong to the caller alone afterwards.
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
    /// It loses an owner.
    Released,
    /// The new one is a patch of it, and owns it instead of the table.
    Patched,
    /// Both are patches of this base. If the old one had no other owner, the new one takes over its share of the base.
    Inherited(Ref),
}

/// Space for an object that is stored later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    pub(crate) unit: u64,
    pub(crate) units: u32,
}

impl Reserved {
    /// The length that [`Writer::fill`] takes: that of all its units.
    pub(crate) fn bytes(self) -> usize {
        to_usize(u64::from(self.units) * UNIT_BYTES)
    }
}
