//! The allocator: which space of the file is free.
//!
//! It keeps three bits of each unit. *Allocated*: an object of the newest state is there; this bit alone is stored.
//! *Blocked*: the unit must not be handed out, because it is allocated or because an older state has an object there
//! that a snapshot, or the recovery after a crash, can still read. *Fresh*: it was handed out after the last superblock
//! was written, so no recovery can read it.
//!
//! Invariants: allocated implies blocked; a unit is handed out only when it is not blocked; freeing what is not
//! allocated is an internal error, not a corruption.

use std::collections::{BTreeMap, VecDeque};

use super::source::Source;
use crate::error::{Error, Result};
use crate::grid::format::object::{Kind, UNIT_BYTES};
use crate::grid::format::reference::Ref;
use crate::grid::format::region::{
    REGION_UNITS, REGION_WORDS, RegionImage, bits_are, clear_bits, next_bit, set_bits,
};
use crate::grid::format::superblock::RESERVED_BYTES;
use crate::integer::{low_u16, low_u32, to_usize};

/// Units before the first object: the two superblocks.
pub(crate) const RESERVED_UNITS: usize = to_usize(RESERVED_BYTES / UNIT_BYTES);
/// What [`Region::free`] counts down from.
const ALL_UNITS: u32 = low_u32(REGION_UNITS as u64);

/// The regions, what the write in progress did to them, and what was freed and must wait.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) regions: Vec<Region>,
    /// The region that is searched first.
    cursor: usize,
    /// What this write did, to be undone or kept.
    log: Vec<Step>,
    /// Freed units that only snapshots can still read.
    awaiting_readers: VecDeque<FreedUnits>,
    /// Freed units that a recovery could read too, until a later superblock is durable.
    awaiting_superblock: VecDeque<FreedUnits>,
}

/// A region of the file.
#[derive(Debug, Default)]
pub(crate) struct Region {
    /// Where its map is stored; null when all of it was free.
    pub(crate) stored: Ref,
    /// Units not allocated.
    pub(crate) free: u32,
    /// Whether its map differs from what is stored.
    pub(crate) dirty: bool,
    /// No run of free units is longer.
    longest: usize,
    map: Option<Box<RegionMap>>,
}

#[derive(Debug)]
struct RegionMap {
    allocated: Vec<u64>,
    blocked: Vec<u64>,
    fresh: Vec<u64>,
    shared: BTreeMap<u16, u32>,
    scan_from: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Allocated { unit: u64, units: u32 },
    Freed { unit: u64, units: u32 },
    Shared { unit: u64 },
    Unshared { unit: u64 },
}

/// Units that a commit freed and that must not be handed out yet.
#[derive(Debug)]
struct FreedUnits {
    commit: u64,
    /// First unit and number of units.
    extents: Vec<(u64, u32)>,
}

/// What a step changed: the map of its region, and where in it.
struct Changed<'a> {
    map: &'a mut RegionMap,
    free: &'a mut u32,
    longest: &'a mut usize,
    start: usize,
}

impl Region {
    pub(crate) fn new(stored: Ref) -> Self {
        let free = if stored.is_null() { ALL_UNITS } else { stored.aux };
        Self { stored, free, dirty: false, longest: REGION_UNITS, map: None }
    }

    fn load(&mut self, source: &dyn Source) -> Result<&mut RegionMap> {
        if self.map.is_none() {
            let image = if self.stored.is_null() {
                RegionImage { allocated: vec![0; REGION_WORDS], shared: Vec::new() }
            } else {
                let bytes = source.object(&self.stored, Kind::Region)?;
                RegionImage::decode(&bytes)
                    .map_err(|reason| source.malformed(&self.stored, Kind::Region.name(), reason))?
            };
            // The number beside the reference was a hint. From here on the free units are counted.
            let used: u32 = image.allocated.iter().map(|word| word.count_ones()).sum();
            self.free = ALL_UNITS - used;
            self.map = Some(Box::new(RegionMap {
                blocked: image.allocated.clone(),
                fresh: vec![0; REGION_WORDS],
                allocated: image.allocated,
                shared: image.shared.into_iter().collect(),
                scan_from: 0,
            }));
        }
        self.map.as_deref_mut().ok_or_else(|| Error::internal("a region's map is missing after it was read"))
    }

    /// What would be stored now; `None` when the region was never looked at.
    pub(crate) fn image(&self) -> Option<RegionImage> {
        self.map.as_ref().map(|map| RegionImage {
            allocated: map.allocated.clone(),
            shared: map.shared.iter().map(|(unit, extra)| (*unit, *extra)).collect(),
        })
    }
}

impl Space {
    /// The space of a new store.
    pub(crate) fn new() -> Self {
        let mut first = Region::new(Ref::NULL);
        let mut map = RegionMap {
            allocated: vec![0; REGION_WORDS],
            blocked: vec![0; REGION_WORDS],
            fresh: vec![0; REGION_WORDS],
            shared: BTreeMap::new(),
            scan_from: 0,
        };
        set_bits(&mut map.allocated, 0, RESERVED_UNITS);
        set_bits(&mut map.blocked, 0, RESERVED_UNITS);
        first.free -= low_u32(RESERVED_UNITS as u64);
        first.map = Some(Box::new(map));
        first.dirty = true;
        Self { regions: vec![first], ..Self::default() }
    }

    /// The space of a stored state.
    pub(crate) fn from_regions(stored: &[Ref]) -> Self {
        Self { regions: stored.iter().copied().map(Region::new).collect(), ..Self::default() }
    }

    /// Hands out `units` adjacent units.
    pub(crate) fn allocate(&mut self, source: &dyn Source, units: u32) -> Result<u64> {
        if units == 0 || units > ALL_UNITS {
            return Err(Error::internal(format!("{units} units were asked for at once")));
        }
        let count = self.regions.len();
        for step in 0..count {
            let index = (self.cursor + step) % count;
            if let Some(unit) = self.allocate_in(source, index, units)? {
                self.cursor = index;
                return Ok(unit);
            }
        }
        self.regions.push(Region::new(Ref::NULL));
        self.cursor = count;
        self.allocate_in(source, count, units)?.ok_or_else(|| Error::internal("an empty region has no space"))
    }

    fn allocate_in(&mut self, source: &dyn Source, index: usize, units: u32) -> Result<Option<u64>> {
        let wanted = units as usize;
        let Some(region) = self.regions.get_mut(index) else {
            return Ok(None);
        };
        if region.longest < wanted || region.free < units {
            return Ok(None);
        }
        let map = region.load(source)?;
        let from = map.scan_from;
        let found = find_run(&map.blocked, from, wanted)
            .or_else(|| if from == 0 { None } else { find_run(&map.blocked, 0, wanted) });
        let Some(start) = found else {
            region.longest = wanted - 1;
            return Ok(None);
        };
        set_bits(&mut map.allocated, start, wanted);
        set_bits(&mut map.blocked, start, wanted);
        set_bits(&mut map.fresh, start, wanted);
        map.scan_from = start + wanted;
        let left = region.free.checked_sub(units);
        region.free =
            left.ok_or_else(|| Error::internal("a region has fewer free units than a run of them"))?;
        region.dirty = true;
        let unit = (index * REGION_UNITS + start) as u64;
        self.log.push(Step::Allocated { unit, units });
        Ok(Some(unit))
    }

    /// Gives units back. They are handed out again when neither a snapshot nor a recovery can read what is there.
    pub(crate) fn free(&mut self, source: &dyn Source, unit: u64, units: u32) -> Result<()> {
        let (region, start) = self.region_of(unit)?;
        let count = units as usize;
        let map = region.load(source)?;
        if count > REGION_UNITS || !bits_are(&map.allocated, start, count, true) {
            return Err(Error::internal(format!("{units} units at {unit} were freed and not in use")));
        }
        clear_bits(&mut map.allocated, start, count);
        region.free += units;
        region.dirty = true;
        self.log.push(Step::Freed { unit, units });
        Ok(())
    }

    /// Adds one owner of the object at `unit`.
    pub(crate) fn share(&mut self, source: &dyn Source, unit: u64) -> Result<()> {
        let (region, _) = self.region_of(unit)?;
        let stored = region.stored;
        let map = region.load(source)?;
        let extra = map.shared.entry(unit_in_region(unit)).or_default();
        *extra = extra
            .checked_add(1)
            .ok_or_else(|| source.malformed(&stored, Kind::Region.name(), "an object has too many owners"))?;
        region.dirty = true;
        self.log.push(Step::Shared { unit });
        Ok(())
    }

    /// Removes one owner beyond the first; `false` when there is none to remove.
    pub(crate) fn unshare(&mut self, source: &dyn Source, unit: u64) -> Result<bool> {
        let (region, _) = self.region_of(unit)?;
        let map = region.load(source)?;
        let key = unit_in_region(unit);
        let Some(extra) = map.shared.get_mut(&key) else {
            return Ok(false);
        };
        *extra -= 1;
        if *extra == 0 {
            map.shared.remove(&key);
        }
        region.dirty = true;
        self.log.push(Step::Unshared { unit });
        Ok(true)
    }

    /// Whether a unit of a region that was looked at before is in use.
    pub(crate) fn is_allocated(&self, unit: u64) -> bool {
        let position = to_usize(unit);
        let map = self.regions.get(position / REGION_UNITS).and_then(|region| region.map.as_deref());
        map.is_some_and(|map| bits_are(&map.allocated, position % REGION_UNITS, 1, true))
    }

    /// How many owners beyond the first the object at `unit` has.
    pub(crate) fn extra_owners(&mut self, source: &dyn Source, unit: u64) -> Result<u32> {
        let (region, _) = self.region_of(unit)?;
        let map = region.load(source)?;
        Ok(map.shared.get(&unit_in_region(unit)).copied().unwrap_or(0))
    }

    /// The map of a region as it is now.
    pub(crate) fn load_image(&mut self, source: &dyn Source, index: usize) -> Result<RegionImage> {
        let missing = || Error::internal("there is no such region");
        let region = self.regions.get_mut(index).ok_or_else(missing)?;
        region.load(source)?;
        region.image().ok_or_else(missing)
    }

    fn region_of(&mut self, unit: u64) -> Result<(&mut Region, usize)> {
        let position = to_usize(unit);
        let region = self.regions.get_mut(position / REGION_UNITS);
        region
            .map(|region| (region, position % REGION_UNITS))
            .ok_or_else(|| Error::internal(format!("unit {unit} lies in no region")))
    }

    /// The part of a region's state that a step changes, of a region that was looked at.
    fn changed(&mut self, unit: u64) -> Option<Changed<'_>> {
        let position = to_usize(unit);
        let region = self.regions.get_mut(position / REGION_UNITS)?;
        let map = region.map.as_deref_mut()?;
        let start = position % REGION_UNITS;
        Some(Changed { map, free: &mut region.free, longest: &mut region.longest, start })
    }

    /// Begins a write at the lowest free space.
    pub(crate) fn begin(&mut self) {
        self.cursor = 0;
        self.log.clear();
        for region in &mut self.regions {
            if let Some(map) = region.map.as_deref_mut() {
                map.scan_from = 0;
            }
        }
    }

    /// Takes back everything since [`Self::begin`].
    pub(crate) fn roll_back(&mut self) {
        for step in std::mem::take(&mut self.log).into_iter().rev() {
            let (Step::Allocated { unit, .. }
            | Step::Freed { unit, .. }
            | Step::Shared { unit }
            | Step::Unshared { unit }) = step;
            let Some(Changed { map, free, longest, start }) = self.changed(unit) else {
                continue;
            };
            let key = unit_in_region(unit);
            match step {
                Step::Allocated { units, .. } => {
                    let count = units as usize;
                    clear_bits(&mut map.allocated, start, count);
                    clear_bits(&mut map.blocked, start, count);
                    clear_bits(&mut map.fresh, start, count);
                    *free += units;
                    *longest = REGION_UNITS;
                }
                Step::Freed { units, .. } => {
                    let count = units as usize;
                    set_bits(&mut map.allocated, start, count);
                    *free -= units;
                }
                Step::Shared { .. } => {
                    if let Some(extra) = map.shared.get_mut(&key) {
                        *extra -= 1;
                        if *extra == 0 {
                            map.shared.remove(&key);
                        }
                    }
                }
                Step::Unshared { .. } => *map.shared.entry(key).or_default() += 1,
            }
        }
    }

    /// Keeps everything since [`Self::begin`]: what was freed waits for those who can still read it.
    pub(crate) fn commit(&mut self, commit: u64) {
        let (mut readers, mut recovery) = (Vec::new(), Vec::new());
        for step in std::mem::take(&mut self.log) {
            if let Step::Freed { unit, units } = step {
                let changed = self.changed(unit);
                let fresh = changed.is_some_and(|at| bits_are(&at.map.fresh, at.start, 1, true));
                if fresh {
                    readers.push((unit, units));
                } else {
                    recovery.push((unit, units));
                }
            }
        }
        if !readers.is_empty() {
            self.awaiting_readers.push_back(FreedUnits { commit, extents: readers });
        }
        if !recovery.is_empty() {
            self.awaiting_superblock.push_back(FreedUnits { commit, extents: recovery });
        }
    }

    /// A superblock was written: from now on a recovery can read everything allocated so far.
    pub(crate) fn superblock_written(&mut self) {
        for region in &mut self.regions {
            region.dirty = false;
            if let Some(map) = region.map.as_deref_mut() {
                map.fresh.fill(0);
            }
        }
    }

    /// Makes available what was freed in commits up to `oldest_read`, the oldest state with a reader, and, where a
    /// recovery could read it too, up to `durable`, the newest durable commit.
    pub(crate) fn reclaim(&mut self, oldest_read: u64, durable: u64) {
        while self.awaiting_readers.front().is_some_and(|freed| freed.commit <= oldest_read) {
            let freed = self.awaiting_readers.pop_front();
            self.unblock(freed);
        }
        while self.awaiting_superblock.front().is_some_and(|freed| freed.commit <= oldest_read.min(durable)) {
            let freed = self.awaiting_superblock.pop_front();
            self.unblock(freed);
        }
    }

    fn unblock(&mut self, freed: Option<FreedUnits>) {
        for (unit, units) in freed.into_iter().flat_map(|freed| freed.extents) {
            if let Some(Changed { map, longest, start, .. }) = self.changed(unit) {
                clear_bits(&mut map.blocked, start, units as usize);
                *longest = REGION_UNITS;
            }
        }
    }

    /// Freed bytes that wait for a durable superblock: a sync would make them available.
    pub(crate) fn bytes_awaiting_superblock(&self) -> u64 {
        let extents = self.awaiting_superblock.iter().flat_map(|freed| &freed.extents);
        extents.map(|(_, units)| u64::from(*units) * UNIT_BYTES).sum()
    }

    /// Blocks whatever `other` blocks, so that after a failed sync readers of the states before it keep their pages.
    pub(crate) fn block_like(&mut self, other: &Space, source: &dyn Source) -> Result<()> {
        for (index, theirs) in other.regions.iter().enumerate() {
            if index >= self.regions.len() {
                self.regions.push(Region::new(Ref::NULL));
            }
            let (Some(region), Some(their_map)) = (self.regions.get_mut(index), theirs.map.as_deref()) else {
                continue;
            };
            let map = region.load(source)?;
            for (mine, their) in map.blocked.iter_mut().zip(&their_map.blocked) {
                *mine |= their;
            }
        }
        Ok(())
    }

    /// One past the last unit in use.
    pub(crate) fn end_unit(&mut self, source: &dyn Source) -> Result<u64> {
        for (index, region) in self.regions.iter_mut().enumerate().rev() {
            let map = region.load(source)?;
            let words = map.blocked.iter().enumerate().rev();
            if let Some((word_index, word)) = words.into_iter().find(|(_, word)| **word != 0) {
                let last = index * REGION_UNITS + word_index * 64 + 63 - word.leading_zeros() as usize;
                return Ok(last as u64 + 1);
            }
        }
        Ok(RESERVED_UNITS as u64)
    }
}

/// The number of a unit in its region, which has 2^16 units.
fn unit_in_region(unit: u64) -> u16 {
    low_u16(unit % REGION_UNITS as u64)
}

/// The first run of `wanted` clear bits at or after `from`.
fn find_run(words: &[u64], from: usize, wanted: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let start = next_bit(words, at, false)?;
        let end = next_bit(words, start, true).unwrap_or(words.len() * 64);
        if end - start >= wanted {
            return Some(start);
        }
        at = end;
    }
}
