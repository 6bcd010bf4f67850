//! Copying a tree from one file to another, sharing what was shared.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::damage::{Damage, Held};
use crate::error::{Error, Result};
use crate::grid::chunk::patch::rebase_patch;
use crate::grid::format::node::{encode_branch, encode_leaf};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::table::Table;
use crate::grid::format::value::Value;
use crate::grid::objects::chunk_source::base_of;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;
use crate::grid::objects::writer::Writer;
use crate::grid::tree::keys::display_metadata_key;
use crate::grid::tree::node::{Node, ROOT, read_node};

/// What a copy does about damaged objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDamage {
    Fail,
    LeaveOut,
}

/// Copies objects of one file into another.
pub(crate) struct Copier<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) writer: &'a mut Writer,
    /// Where the copy of an object is, by the object's unit.
    copies: HashMap<u64, Ref>,
    on_damage: OnDamage,
    /// What was left out.
    pub(crate) left_out: Vec<Damage>,
    /// Versions of which something was left out, be it shared with others.
    pub(crate) incomplete: Vec<Held>,
    /// Nodes under which something was left out, by unit.
    holes: HashSet<u64>,
    /// How often a hole was met.
    holes_met: u64,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(source: &'a dyn Source, writer: &'a mut Writer, on_damage: OnDamage) -> Self {
        Self {
            source,
            writer,
            copies: HashMap::new(),
            on_damage,
            left_out: Vec::new(),
            incomplete: Vec::new(),
            holes: HashSet::new(),
            holes_met: 0,
        }
    }

    /// Copies the main tree; null when nothing of it was left.
    pub(crate) fn main_tree(&mut self, root: &Ref) -> Result<Ref> {
        if root.is_null() {
            return Ok(Ref::NULL);
        }
        Ok(self.tree(root, ROOT, &Held::default())?.unwrap_or(Ref::NULL))
    }

    /// Copies an object when it is met first and shares the copy after that. `None` when it was damaged and left out.
    fn once(
        &mut self,
        object: &Ref,
        held: &Held,
        what: &dyn Fn() -> String,
        copy: impl FnOnce(&mut Self) -> Result<Option<Ref>>,
    ) -> Result<Option<Ref>> {
        if let Some(done) = self.copies.get(&object.unit).copied() {
            self.writer.share(&done)?;
            return Ok(Some(done));
        }
        match copy(self) {
            Ok(Some(done)) => {
                self.copies.insert(object.unit, done);
                Ok(Some(done))
            }
            Ok(None) => Ok(None),
            Err(error) => self.leave_out(error, object.offset(), object.len, held, what()).map(|()| None),
        }
    }

    /// Notes damage that is left out, and gives other errors back.
    fn leave_out(&mut self, error: Error, offset: u64, bytes: u32, held: &Held, what: String) -> Result<()> {
        match (error, self.on_damage) {
            (Error::Corrupt { reason, .. }, OnDamage::LeaveOut) => {
                self.holes_met += 1;
                self.left_out.push(Damage { offset, bytes, what, held: held.clone(), reason });
                Ok(())
            }
            (error, _) => Err(error),
        }
    }

    fn tree(&mut self, node: &Ref, below: u8, held: &Held) -> Result<Option<Ref>> {
        let before = self.holes_met;
        self.holes_met += u64::from(self.holes.contains(&node.unit));
        let copied = self.once(node, held, &|| format!("a node of {held}"), |copier| {
            match read_node(copier.source, node, below)? {
                Node::Branch(height, children) => {
                    let mut copies = Vec::with_capacity(children.len());
                    for (key, child) in children {
                        if let Some(copy) = copier.tree(&child, height, held)? {
                            copies.push((key, copy));
                        }
                    }
                    if copies.is_empty() {
                        return Ok(None);
                    }
                    copier.writer.put(&encode_branch(height, &copies)?, 0).map(Some)
                }
                Node::Leaf(entries) => {
                    let mut copies = Vec::with_capacity(entries.len());
                    for (key, value) in entries {
                        if let Some(copy) = copier.value(&key, value, held)? {
                            copies.push((key, copy));
                        }
                    }
                    copier.writer.put(&encode_leaf(&copies)?, 0).map(Some)
                }
            }
        })?;
        if self.holes_met > before {
            self.holes.insert(node.unit);
        }
        Ok(copied)
    }

    fn value(&mut self, key: &[u8], value: Value, held: &Held) -> Result<Option<Value>> {
        Ok(match value {
            Value::Inline(_) | Value::Adapter(_) | Value::Tag(_) => Some(value),
            Value::Version(mut record) => {
                let (version, before) = (Held::version(key), self.holes_met);
                if !record.root.is_null() {
                    record.root = self.tree(&record.root, ROOT, &version)?.unwrap_or(Ref::NULL);
                }
                if self.holes_met > before {
                    self.incomplete.push(version);
                }
                Some(Value::Version(record))
            }
            Value::Matrix(mut record) => {
                let held = held.matrix(key);
                let chunks = self.entries(&record.chunks, Kind::Chunk, &held, &held)?;
                let Some(chunks) = chunks else { return Ok(None) };
                record.chunks = self.writer.put_table(&chunks)?;
                Some(Value::Matrix(record))
            }
            Value::Blob { len, pieces } => {
                let name = display_metadata_key(key);
                let pieces = self.entries(&pieces, Kind::Blob, held, &format!("the metadata {name:?}"))?;
                let Some(pieces) = pieces else { return Ok(None) };
                Some(Value::Blob { len, pieces: self.writer.put_table(&pieces)? })
            }
        })
    }

    /// Copies of the entries of a table; `None` when one of them was left out.
    fn entries(
        &mut self,
        table: &Table,
        kind: Kind,
        held: &Held,
        what: &dyn fmt::Display,
    ) -> Result<Option<Vec<Ref>>> {
        let entries = match read_table(self.source, table) {
            Ok(entries) => entries,
            Err(error) => {
                let offset = if let Error::Corrupt { offset, .. } = &error { *offset } else { 0 };
                return self.leave_out(error, offset, 0, held, format!("the table of {what}")).map(|()| None);
            }
        };
        let mut copies = Vec::with_capacity(entries.len());
        for (entry, index) in entries.iter().zip(0u64..) {
            if entry.is_null() {
                copies.push(Ref::NULL);
                continue;
            }
            let name = || match kind {
                Kind::Blob => format!("piece {index} of {what}"),
                _ => format!("chunk {index} of {what}"),
            };
            if let Some(copy) = self.object(entry, kind, 0, held, &name)? {
                copies.push(copy);
            } else {
                // A matrix with a hole would be a wrong answer.
                self.give_up(&copies, kind)?;
                return Ok(None);
            }
        }
        Ok(Some(copies))
    }

    fn give_up(&mut self, copies: &[Ref], kind: Kind) -> Result<()> {
        self.writer.release_table(copies, 0, kind)?;
        // What had no other owner is freed, so it must not be shared later.
        let space = &self.writer.space;
        self.copies.retain(|_, done| space.is_allocated(done.unit));
        Ok(())
    }

    /// Copies an entry of a table, which lies under `above` patches, and what it is a patch of.
    fn object(
        &mut self,
        object: &Ref,
        kind: Kind,
        above: u32,
        held: &Held,
        what: &dyn Fn() -> String,
    ) -> Result<Option<Ref>> {
        self.once(object, held, what, |copier| {
            let bytes = copier.source.object(object, kind)?.into_owned();
            if kind != Kind::Chunk {
                return copier.writer.put(&bytes, object.aux).map(Some);
            }
            let Some(base) = base_of(copier.source, object, above)? else {
                return copier.writer.put(&bytes, object.aux).map(Some);
            };
            let Some(base) = copier.object(&base, kind, above + 1, held, what)? else {
                return Ok(None);
            };
            let patched = rebase_patch(&bytes, &base)
                .map_err(|reason| copier.source.malformed(object, Kind::Chunk.name(), reason))?;
            copier.writer.put(&patched, object.aux).map(Some)
        })
    }
}
