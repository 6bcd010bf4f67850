//! Radix tables: an array of references, some null, as a tree of nodes with a child mask.

use super::{Cursor, Decoded, Encoder, Kind, Ref};

/// Children of a table node.
pub(crate) const FANOUT: usize = 256;
/// Children of a table's root, which lies in the record that owns the table.
const ROOT_CHILDREN: usize = 16;
const MASK_WORDS: usize = FANOUT / 64;

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
        let children = usize::try_from(Self::root_children(len, depth)).ok()?;
        Some(Self { len, depth, children: vec![Ref::default(); children] })
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
pub(crate) fn encode_table_node(level: u8, entries: &[Ref]) -> Vec<u8> {
    let mut out = Encoder::with_capacity(4 + 8 * MASK_WORDS + Ref::BYTES * entries.len());
    out.u8(Kind::Table.code()).u8(level).u16(u16::try_from(entries.len()).unwrap_or(u16::MAX));
    for word in 0..MASK_WORDS {
        let bits = entries.iter().skip(word * 64).take(64).enumerate();
        out.u64(bits.fold(0, |mask, (bit, entry)| mask | u64::from(!entry.is_null()) << bit));
    }
    for entry in entries.iter().filter(|entry| !entry.is_null()) {
        entry.encode(&mut out);
    }
    out.bytes
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
        entries.push(if present { Ref::decode(&mut input)? } else { Ref::default() });
    }
    if input.rest().iter().all(|byte| *byte == 0) {
        Ok(entries)
    } else {
        Err("a table node is longer than its children")
    }
}
