//! Radix tables: an array of references, some null, as a tree of nodes with a child mask.
//!
//! ```text
//! table node
//!   0 | kind 3                         | 1
//!   1 | level, 1 above the entries     | 1
//!   2 | number of entries, at most 256 | 2
//!   4 | mask: bit n says entry n is    | 32
//!     |   not null                     |
//!  36 | references that the mask names | 24 each
//!     | zeros                          |
//! ```
//!
//! The root of a table is no object: up to 16 references stand in the record that owns the table.

use super::cursor::{Cursor, Encoder};
use super::object::{Decoded, Kind};
use super::reference::Ref;
use crate::error::Result;
use crate::integer::{field_u16, to_usize};

/// Children of a table node.
pub(crate) const FANOUT: usize = 256;
/// Children of a table's root, which lies in the record that owns the table.
const ROOT_CHILDREN: usize = 16;
const MASK_WORDS: usize = FANOUT / 64;
const TABLE_HEADER_BYTES: usize = 4 + 8 * MASK_WORDS;
/// Bytes of a table node without null entries.
pub(crate) const FULL_TABLE_NODE_BYTES: usize = TABLE_HEADER_BYTES + Ref::BYTES * FANOUT;

/// The root of a table: `len` entries under at most 16 children, `depth` levels of nodes between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) len: u64,
    pub(crate) depth: u8,
    pub(crate) children: Vec<Ref>,
}

impl Table {
    /// How deep a table of `len` entries is.
    pub(crate) fn depth_of(len: u64) -> Option<u8> {
        (0..=2u8).find(|&depth| len <= (ROOT_CHILDREN as u64) << (8 * u32::from(depth)))
    }

    /// How many children the root of a table of `len` entries has.
    pub(crate) fn root_children(len: u64, depth: u8) -> u64 {
        len.div_ceil(1 << (8 * u32::from(depth)))
    }

    /// A table of null references.
    pub(crate) fn empty(len: u64) -> Option<Self> {
        let depth = Self::depth_of(len)?;
        let children = to_usize(Self::root_children(len, depth));
        Some(Self { len, depth, children: vec![Ref::NULL; children] })
    }

    pub(crate) fn encode(&self, out: &mut Encoder) {
        for child in &self.children {
            child.encode(out);
        }
    }

    /// Decodes the root of a table that has `len` entries.
    pub(crate) fn decode(input: &mut Cursor<'_>, len: u64) -> Decoded<Self> {
        let depth = Self::depth_of(len).ok_or("a table is too long")?;
        let children =
            (0..Self::root_children(len, depth)).map(|_| Ref::decode(input)).collect::<Decoded<_>>()?;
        Ok(Self { len, depth, children })
    }
}

/// `level` 1 is the node above the entries.
pub(crate) fn encode_table_node(level: u8, entries: &[Ref]) -> Result<Vec<u8>> {
    let mut out = Encoder::with_capacity(TABLE_HEADER_BYTES + Ref::BYTES * entries.len());
    out.u8(Kind::Table.code()).u8(level);
    out.u16(field_u16(entries.len(), "the number of entries of a table node")?);
    for word in 0..MASK_WORDS {
        let bits = entries.iter().skip(word * 64).take(64).enumerate();
        out.u64(bits.fold(0, |mask, (bit, entry)| mask | u64::from(!entry.is_null()) << bit));
    }
    for entry in entries.iter().filter(|entry| !entry.is_null()) {
        entry.encode(&mut out);
    }
    Ok(out.bytes)
}

pub(crate) fn decode_table_node(bytes: &[u8], level: u8) -> Decoded<Vec<Ref>> {
    let mut input = Cursor::new(bytes);
    if input.u8()? != Kind::Table.code() {
        return Err("it is not a table node");
    }
    if input.u8()? != level {
        return Err("a table node is on the wrong level");
    }
    let count = usize::from(input.u16()?);
    if count > FANOUT {
        return Err("a table node has too many children");
    }
    let mut mask = [0u64; MASK_WORDS];
    for word in &mut mask {
        *word = input.u64()?;
    }
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        let present = mask.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1);
        entries.push(if present { Ref::decode(&mut input)? } else { Ref::NULL });
    }
    if input.rest().iter().all(|byte| *byte == 0) {
        Ok(entries)
    } else {
        Err("a table node is longer than its children")
    }
}
