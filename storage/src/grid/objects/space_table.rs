//! Storing the allocator: region maps, and the table of them that a superblock refers to.
//!
//! Storing a map takes space, which changes maps. So space is reserved first, until nothing changes any more, and
//! only then are the maps encoded.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::source::Source;
use super::space::Space;
use super::writer::{Objects, Reserved, Writer};
use crate::error::{Error, Result};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::region::RegionImage;
use crate::grid::format::superblock::Superblock;
use crate::grid::format::table::{FANOUT, FULL_TABLE_NODE_BYTES, decode_table_node, encode_table_node};
use crate::integer::low_u8;

/// How much longer a map may become between its reservation and its encoding without a new reservation.
const SLACK_BYTES: usize = 256;

/// The nodes above the regions, lowest level first; the last level is the root alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpaceTable {
    levels: Vec<Vec<Ref>>,
}

/// A stored allocator that no superblock refers to yet.
#[derive(Debug)]
pub(crate) struct StoredSpace {
    maps: Vec<(usize, Ref)>,
    table: SpaceTable,
    pub(crate) regions: u64,
}

impl SpaceTable {
    /// Reads the table of a superblock, and references to the region maps.
    pub(crate) fn read(source: &dyn Source, root: &Ref, depth: u8, regions: u64) -> Result<(Self, Vec<Ref>)> {
        let refuse = |node: &Ref, reason| source.malformed(node, "the table of regions", reason);
        let mut levels = vec![vec![*root]];
        let mut seen = HashSet::new();
        for level in (1..=depth).rev() {
            let Some(nodes) = levels.last() else { break };
            // Every entry of this level has a region under it that no other entry has.
            let most = regions.div_ceil((FANOUT as u64).saturating_pow(u32::from(level) - 1));
            let mut below = Vec::new();
            for node in nodes.iter().filter(|node| !node.is_null()) {
                if !seen.insert(node.unit) {
                    return Err(refuse(node, "a node of it has two parents"));
                }
                let bytes = source.object(node, Kind::Table)?;
                below.extend(decode_table_node(&bytes, level).map_err(|reason| refuse(node, reason))?);
                if below.len() as u64 > most {
                    return Err(refuse(root, "it is longer than it should be"));
                }
            }
            levels.push(below);
        }
        let maps = levels.pop().ok_or_else(|| refuse(root, "it has no entries"))?;
        levels.reverse();
        if maps.len() as u64 != regions {
            return Err(refuse(root, "it has another length than it should"));
        }
        Ok((Self { levels }, maps))
    }

    /// The root, null in a new store, and the number of levels: 256 regions a node need at most 8 for 2^64 bytes.
    pub(crate) fn root(&self) -> (Ref, u8) {
        let root = self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Ref::NULL);
        (root, low_u8(self.levels.len() as u64))
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Ref> {
        self.levels.iter().flatten().filter(|node| !node.is_null())
    }

    fn grow_to(&mut self, regions: usize) {
        let mut count = regions;
        let mut level = 0;
        loop {
            count = count.div_ceil(FANOUT).max(1);
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            if let Some(nodes) = self.levels.get_mut(level) {
                nodes.resize(count.max(nodes.len()), Ref::NULL);
            }
            if count == 1 {
                return;
            }
            level += 1;
        }
    }
}

impl StoredSpace {
    /// The table, to be put into a superblock.
    pub(crate) fn root(&self) -> (Ref, u8) {
        self.table.root()
    }

    /// The superblock is written: this is the stored allocator now.
    pub(crate) fn adopt(self, space: &mut Space, table: &mut SpaceTable) {
        for (index, stored) in self.maps {
            if let Some(region) = space.regions.get_mut(index) {
                region.stored = stored;
            }
        }
        *table = self.table;
    }
}

/// The allocator of a superblock.
pub(crate) fn read_space(objects: &Objects, superblock: &Superblock) -> Result<(SpaceTable, Space)> {
    if superblock.space.is_null() {
        return Ok((SpaceTable::default(), Space::new()));
    }
    let (table, maps) =
        SpaceTable::read(objects, &superblock.space, superblock.space_depth, superblock.regions)?;
    Ok((table, Space::from_regions(&maps)))
}

#[derive(Default)]
struct Plan {
    maps: BTreeMap<usize, Reserved>,
    nodes: BTreeMap<(usize, usize), Reserved>,
}

impl Writer {
    /// Writes the maps of the regions that changed, and the table above them.
    pub(crate) fn store_space(&mut self, table: &SpaceTable) -> Result<StoredSpace> {
        let mut table = table.clone();
        let mut plan = Plan::default();
        while self.reserve_maps(&mut plan)?
            || self.reserve_nodes(&mut plan, &mut table)?
            || self.refit(&mut plan)?
        {}
        let mut stored: Vec<Ref> = self.space.regions.iter().map(|region| region.stored).collect();
        let mut maps = Vec::with_capacity(plan.maps.len());
        for (index, reserved) in plan.maps {
            let (bytes, free) = self.encode_map(index, reserved)?;
            let map = self.fill(reserved, &bytes, free)?;
            maps.push((index, map));
            if let Some(target) = stored.get_mut(index) {
                *target = map;
            }
        }
        let mut below = stored;
        for level in 0..table.levels.len() {
            let number = u8::try_from(level + 1).map_err(|_| Error::internal("too many regions"))?;
            for ((_, node), reserved) in plan.nodes.range((level, 0)..(level + 1, 0)) {
                let entries = below.iter().skip(node * FANOUT).take(FANOUT).copied().collect::<Vec<_>>();
                let mut bytes = encode_table_node(number, &entries)?;
                pad(&mut bytes, *reserved)?;
                let stored_node = self.fill(*reserved, &bytes, 0)?;
                if let Some(target) = table.levels.get_mut(level).and_then(|nodes| nodes.get_mut(*node)) {
                    *target = stored_node;
                }
            }
            below.clone_from(table.levels.get(level).ok_or_else(missing_level)?);
        }
        Ok(StoredSpace { maps, table, regions: self.space.regions.len() as u64 })
    }

    fn reserve_maps(&mut self, plan: &mut Plan) -> Result<bool> {
        let dirty = self.space.regions.iter().enumerate().filter(|(_, region)| region.dirty);
        let missing: Vec<usize> =
            dirty.map(|(index, _)| index).filter(|index| !plan.maps.contains_key(index)).collect();
        for index in &missing {
            let Some(region) = self.space.regions.get(*index) else {
                continue;
            };
            let old = region.stored;
            let image = region.image().ok_or_else(|| Error::internal("a changed region has no map"))?;
            if !old.is_null() {
                self.free(&old)?;
            }
            let most = RegionImage::max_bytes(image.shared.len());
            let reserved = self.reserve((image.encoded_bytes() + SLACK_BYTES).min(most))?;
            plan.maps.insert(*index, reserved);
        }
        Ok(!missing.is_empty())
    }

    fn reserve_nodes(&mut self, plan: &mut Plan, table: &mut SpaceTable) -> Result<bool> {
        table.grow_to(self.space.regions.len());
        let mut touched: BTreeSet<usize> = plan.maps.keys().copied().collect();
        let mut progress = false;
        for level in 0..table.levels.len() {
            touched = touched.iter().map(|index| index / FANOUT).collect();
            for node in &touched {
                if plan.nodes.contains_key(&(level, *node)) {
                    continue;
                }
                let nodes = table.levels.get(level).ok_or_else(missing_level)?;
                let old = nodes.get(*node).copied().unwrap_or(Ref::NULL);
                if !old.is_null() {
                    self.free(&old)?;
                }
                let reserved = self.reserve(FULL_TABLE_NODE_BYTES)?;
                plan.nodes.insert((level, *node), reserved);
                progress = true;
            }
        }
        Ok(progress)
    }

    /// Makes larger reservations for maps that outgrew theirs.
    fn refit(&mut self, plan: &mut Plan) -> Result<bool> {
        let mut progress = false;
        let indices: Vec<usize> = plan.maps.keys().copied().collect();
        for index in indices {
            let (Some(region), Some(reserved)) = (self.space.regions.get(index), plan.maps.get(&index))
            else {
                continue;
            };
            let image = region.image().ok_or_else(|| Error::internal("a changed region has no map"))?;
            if image.encoded_bytes() <= reserved.bytes() {
                continue;
            }
            let most = RegionImage::max_bytes(image.shared.len());
            let (unit, units) = (reserved.unit, reserved.units);
            self.space.free(&self.objects, unit, units)?;
            plan.maps.insert(index, self.reserve(most)?);
            progress = true;
        }
        Ok(progress)
    }

    fn encode_map(&self, index: usize, reserved: Reserved) -> Result<(Vec<u8>, u32)> {
        let missing = || Error::internal("a changed region has no map");
        let region = self.space.regions.get(index).ok_or_else(missing)?;
        let mut bytes = region.image().ok_or_else(missing)?.encode()?;
        pad(&mut bytes, reserved)?;
        Ok((bytes, region.free))
    }
}

fn missing_level() -> Error {
    Error::internal("the table of regions lacks a level")
}

fn pad(bytes: &mut Vec<u8>, reserved: Reserved) -> Result<()> {
    let len = reserved.bytes();
    if bytes.len() > len {
        return Err(Error::internal("a map outgrew its reservation"));
    }
    bytes.resize(len, 0);
    Ok(())
}
