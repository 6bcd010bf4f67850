//! Verifying every object: what is damaged, and what it held.

use std::collections::HashMap;
use std::fmt;

use super::damage::{Damage, Held};
use crate::error::{Error, Result};
use crate::grid::chunk::layout::Layout;
use crate::grid::commit::head::Head;
use crate::grid::commit::recovery::read_superblocks;
use crate::grid::format::object::{Kind, UNIT_BYTES};
use crate::grid::format::reference::Ref;
use crate::grid::format::region::{REGION_UNITS, set_bits};
use crate::grid::format::superblock::SUPERBLOCK_BYTES;
use crate::grid::format::table::Table;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::chunk_source::{base_of, chunk_view};
use crate::grid::objects::source::Source;
use crate::grid::objects::space::RESERVED_UNITS;
use crate::grid::objects::table_reader::read_table_node;
use crate::grid::tree::keys::display_metadata_key;
use crate::grid::tree::node::{Node, ROOT, read_node};
use crate::integer::{low_u32, to_usize};

/// What [`GridStore::verify`](crate::GridStore::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Objects that were read and checked, each counted once however many owners it has.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// What is damaged, in the order it was found. Empty means that everything can be read.
    pub damages: Vec<Damage>,
    /// Bytes that are marked as used and that nothing refers to.
    pub leaked_bytes: u64,
}

/// Reads everything that the newest state refers to and compares the allocator with it.
pub(crate) fn verify(head: &mut Head) -> Result<VerifyReport> {
    let mut walk = Walk { head, report: VerifyReport::default(), owners: HashMap::new() };
    walk.main_tree()?;
    walk.superblock()?;
    walk.space()?;
    Ok(walk.report)
}

/// Called with each key and value of a tree.
type VisitEntry<'v, W> = &'v mut dyn FnMut(&mut W, &[u8], &Value) -> Result<()>;

struct Walk<'a> {
    head: &'a mut Head,
    report: VerifyReport,
    /// Units and number of owners by first unit.
    owners: HashMap<u64, (u32, u64)>,
}

impl Walk<'_> {
    fn main_tree(&mut self) -> Result<()> {
        let root = self.head.root;
        self.tree(&root, ROOT, &Held::default(), &mut |walk, key, value| match value {
            Value::Version(record) => {
                let (root, version) = (record.root, Held::version(key));
                walk.tree(&root, ROOT, &version, &mut |walk, key, value| match value {
                    Value::Matrix(record) => walk.matrix(record, &version.matrix(key)),
                    _ => Ok(()),
                })
            }
            Value::Blob { pieces, .. } => {
                let name = display_metadata_key(key);
                let held = Held::default();
                let what = format!("the metadata {name:?}");
                walk.table(pieces, &held, &what, &mut |walk, index, piece| {
                    let read = walk.head.writer.objects.object(piece, Kind::Blob).map(drop);
                    walk.note(piece, read, &held, || format!("piece {index} of {what}")).map(drop)
                })
            }
            Value::Matrix(_) | Value::Inline(_) | Value::Adapter(_) | Value::Tag(_) => Ok(()),
        })
    }

    /// Counts an owner and says whether the object was not looked at before.
    fn own(&mut self, reference: &Ref) -> bool {
        let entry = self.owners.entry(reference.unit).or_insert((reference.units(), 0));
        entry.1 += 1;
        if entry.1 > 1 {
            return false;
        }
        self.report.objects += 1;
        self.report.bytes += u64::from(reference.len);
        true
    }

    /// Turns damage into a report and leaves other errors; `None` when there was damage.
    fn note<T>(
        &mut self,
        object: &Ref,
        read: Result<T>,
        held: &Held,
        what: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(Error::Corrupt { offset, reason, .. }) => {
                // The object may be whole and something under it damaged, such as the base of a patch.
                let itself = offset == object.offset();
                let damage = Damage {
                    offset,
                    bytes: if itself { object.len } else { 0 },
                    what: what(),
                    held: held.clone(),
                    reason,
                };
                self.report.damages.push(damage);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn tree(&mut self, node: &Ref, below: u8, held: &Held, visit: VisitEntry<'_, Self>) -> Result<()> {
        if node.is_null() || !self.own(node) {
            return Ok(());
        }
        let read = read_node(&self.head.writer.objects, node, below);
        match self.note(node, read, held, || format!("a node of {held}"))? {
            Some(Node::Leaf(entries)) => entries.iter().try_for_each(|(key, value)| visit(self, key, value)),
            Some(Node::Branch(height, children)) => {
                children.iter().try_for_each(|(_, child)| self.tree(child, height, held, visit))
            }
            None => Ok(()),
        }
    }

    fn table(
        &mut self,
        table: &Table,
        held: &Held,
        name: &dyn fmt::Display,
        visit: &mut dyn FnMut(&mut Self, u64, &Ref) -> Result<()>,
    ) -> Result<()> {
        self.entries(&table.children, table.depth, 0, held, name, visit)
    }

    fn entries(
        &mut self,
        children: &[Ref],
        depth: u8,
        first: u64,
        held: &Held,
        name: &dyn fmt::Display,
        visit: &mut dyn FnMut(&mut Self, u64, &Ref) -> Result<()>,
    ) -> Result<()> {
        let span = 1usize << (8 * u32::from(depth));
        for (child, index) in children.iter().zip((first..).step_by(span)) {
            if child.is_null() || !self.own(child) {
                continue;
            }
            if depth == 0 {
                visit(self, index, child)?;
                continue;
            }
            let read = read_table_node(&self.head.writer.objects, child, depth);
            let what = || format!("the table of {name} from {index} on");
            if let Some(entries) = self.note(child, read, held, what)? {
                self.entries(&entries, depth - 1, index, held, name, visit)?;
            }
        }
        Ok(())
    }

    fn matrix(&mut self, record: &MatrixRecord, held: &Held) -> Result<()> {
        let layout = Layout::of(record);
        self.table(&record.chunks, held, held, &mut |walk, index, chunk| {
            let checked = walk.chunk(chunk, &layout, index);
            walk.note(chunk, checked, held, || format!("chunk {index} of {held}"))?;
            let mut patch = *chunk;
            for above in 0.. {
                let base = base_of(&walk.head.writer.objects, &patch, above);
                let Some(Some(base)) =
                    walk.note(&patch, base, held, || format!("a patch of chunk {index} of {held}"))?
                else {
                    break;
                };
                if !walk.own(&base) {
                    break;
                }
                patch = base;
            }
            Ok(())
        })
    }

    fn chunk(&mut self, chunk: &Ref, layout: &Layout, index: u64) -> Result<()> {
        let objects = &self.head.writer.objects;
        let view = chunk_view(objects, chunk, layout, index)?;
        let (geometry, dtype) = (&layout.geometry, layout.dtype);
        let check = || {
            if view.leaves() != geometry.leaves_of(index) {
                return Err("it has not as many leaves as its matrix");
            }
            let mut active = 0;
            for leaf_index in 0..view.leaves() {
                let leaf = geometry.leaf(index, leaf_index);
                let leaf_view = view.leaf(leaf_index, &leaf, dtype)?;
                leaf_view.check(&leaf, dtype)?;
                active += leaf_view.active;
            }
            if active == chunk.active() as usize {
                Ok(())
            } else {
                Err("its count of active elements is wrong")
            }
        };
        check().map_err(|reason| objects.malformed(chunk, Kind::Chunk.name(), reason))
    }

    /// Reads an object of which a copy is in memory, and says whether it is whole.
    fn stored(&mut self, object: &Ref, kind: Kind, what: impl FnOnce() -> String) -> Result<bool> {
        if object.is_null() || !self.own(object) {
            return Ok(true);
        }
        let read = self.head.writer.objects.object(object, kind).map(drop);
        self.note(object, read, &Held::default(), what).map(|found| found.is_some())
    }

    /// Reads the superblock that the next opening needs, and its copy. In the other slot a torn one may be left.
    fn superblock(&mut self) -> Result<()> {
        let durable = (self.head.durable_slot, self.head.durable);
        let objects = &self.head.writer.objects;
        let offset = durable.0.offset();
        let read = read_superblocks(objects).and_then(|found| {
            let refuse =
                || Error::corrupt(objects.path(), offset, "a superblock", "it is not what was written");
            found.contains(&durable).then_some(()).ok_or_else(refuse)
        });
        if let Err(Error::Corrupt { reason, .. }) = read {
            self.report.damages.push(Damage {
                offset,
                bytes: low_u32(SUPERBLOCK_BYTES as u64),
                what: "the superblock".to_owned(),
                held: Held::default(),
                reason,
            });
        } else {
            read?;
        }
        let copy = self.head.copy;
        self.stored(&copy, Kind::Superblock, || "the copy of the superblock".to_owned()).map(drop)
    }

    /// Compares the allocator with the owners that were counted.
    fn space(&mut self) -> Result<()> {
        let nodes: Vec<Ref> = self.head.table.nodes().copied().collect();
        for node in &nodes {
            self.stored(node, Kind::Table, || "the table of regions".to_owned())?;
        }
        let regions = &self.head.writer.space.regions;
        let maps: Vec<Ref> = regions.iter().map(|region| region.stored).collect();
        let mut whole = Vec::with_capacity(maps.len());
        for (index, map) in maps.iter().enumerate() {
            whole.push(self.stored(map, Kind::Region, || format!("the map of region {index}"))?);
        }
        let regions = maps.len();
        let mut expected = vec![0u64; regions * (REGION_UNITS / 64)];
        set_bits(&mut expected, 0, RESERVED_UNITS);
        let owners = std::mem::take(&mut self.owners);
        for (unit, (units, count)) in owners {
            let start = to_usize(unit);
            set_bits(&mut expected, start, units as usize);
            if whole.get(start / REGION_UNITS) == Some(&false) {
                continue;
            }
            let writer = &mut self.head.writer;
            let extra = match writer.space.extra_owners(&writer.objects, unit) {
                Ok(extra) => extra,
                Err(error @ Error::Internal(_)) => {
                    self.space_damage(unit, &error.to_string());
                    continue;
                }
                Err(error) => {
                    self.note(&Ref::NULL, Err::<(), _>(error), &Held::default(), || {
                        Kind::Region.name().to_owned()
                    })?;
                    continue;
                }
            };
            let noted = u64::from(extra) + 1;
            if noted != count {
                self.space_damage(unit, &format!("{count} owners refer to it and {noted} are noted"));
            }
        }
        for (index, _) in whole.iter().enumerate().filter(|(_, whole)| **whole) {
            self.compare_region(index, &expected)?;
        }
        Ok(())
    }

    fn compare_region(&mut self, index: usize, expected: &[u64]) -> Result<()> {
        let words = REGION_UNITS / 64;
        let writer = &mut self.head.writer;
        let read = writer.space.load_image(&writer.objects, index);
        let stored = writer.space.regions.get(index).map_or(Ref::NULL, |region| region.stored);
        let Some(image) =
            self.note(&stored, read, &Held::default(), || format!("the map of region {index}"))?
        else {
            return Ok(());
        };
        let mut missing = 0u64;
        for (allocated, expected) in image.allocated.iter().zip(expected.iter().skip(index * words)) {
            missing += u64::from((expected & !allocated).count_ones());
            self.report.leaked_bytes += u64::from((allocated & !expected).count_ones()) * UNIT_BYTES;
        }
        if missing > 0 {
            let first = (index * REGION_UNITS) as u64;
            self.space_damage(first, &format!("{missing} of its units are in use and marked as free"));
        }
        Ok(())
    }

    fn space_damage(&mut self, unit: u64, reason: &str) {
        self.report.damages.push(Damage {
            offset: unit * UNIT_BYTES,
            bytes: 0,
            what: "the allocator".to_owned(),
            held: Held::default(),
            reason: reason.to_owned(),
        });
    }
}
