//! Reading the entries of a table, node by node.

use super::source::Source;
use crate::error::Result;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::table::{FANOUT, Table, decode_table_node};
use crate::integer::to_usize;

/// The entries under one node of a table, which lies `depth` levels above them.
pub(crate) fn read_table_node(source: &dyn Source, node: &Ref, depth: u8) -> Result<Vec<Ref>> {
    let bytes = source.object(node, Kind::Table)?;
    decode_table_node(&bytes, depth).map_err(|reason| source.malformed(node, Kind::Table.name(), reason))
}

/// One entry of a table, null past its end. Only the nodes above it are read.
pub(crate) fn read_entry(source: &dyn Source, table: &Table, index: u64) -> Result<Ref> {
    let position = |level: u8| to_usize(index >> (8 * u32::from(level)));
    let mut entry = table.children.get(position(table.depth)).copied().unwrap_or(Ref::NULL);
    for level in (1..=table.depth).rev() {
        if entry.is_null() {
            break;
        }
        let entries = read_table_node(source, &entry, level)?;
        entry = entries.get(position(level - 1) % FANOUT).copied().unwrap_or(Ref::NULL);
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
            below.resize(start + FANOUT, Ref::NULL);
        }
        entries = below;
    }
    entries.truncate(to_usize(table.len));
    Ok(entries)
}
