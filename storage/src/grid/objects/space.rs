//! Which space is free: the allocator.
//!
//! Three facts are kept a unit. *Allocated*: some object of the newest state is there; this is what is stored.
//! *Blocked*: it cannot be handed out, because it is allocated or because an older state that can still be read
//! (by a snapshot, or by the recovery that would follow a crash) has an object there. *Fresh*: it was handed out
//! after the last superblock was written, so no recovery can want it.
//!
//! Invariants: allocated implies blocked; a unit is handed out only when it is not blocked; freeing what is not
//! allocated is an internal error, not a corruption.

use std::collections::{BTreeMap, VecDeque};

use super::format::{
    Kind, REGION_UNITS, REGION_WORDS, Ref, RegionImage, bits_are, clear_bits, next_bit, set_bits,
};
use super::source::Source;
use crate::error::{Error, Result};

/// Units before the first object: the two superblocks.
pub(crate) const RESERVED_UNITS: usize = 128;

/// The allocator.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) regions: Vec<Slot>,
    cursor: usize,
    log: Vec<Step>,
    /// Freed units that only snapshots can still want.
    held_by_readers: VecDeque<Held>,
    /// Freed units that a recovery could want too.
    held_by_recovery: VecDeque<Held>,
}

/// A region of the file.
#[derive(Debug, Default)]
pub(crate) struct Slot {
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
    Allocated { unit: u64, units: u64 },
    Freed { unit: u64, units: u64 },
    Shared { unit: u64 },
    Unshared { unit: u64 },
}

#[derive(Debug)]
struct Held {
    commit: u64,
    extents: Vec<(u64, u64)>,
}

impl Slot {
    pub(crate) fn new(stored: Ref) -> Self {
        let free =
            if stored.is_null() { u32::try_from(REGION_UNITS).unwrap_or(u32::MAX) } else { stored.aux };
        Self { stored, free, dirty: false, longest: REGION_UNITS, map: None }
    }

    fn load(&mut self, source: &dyn Source) -> Result<&mut RegionMap> {
        if self.map.is_none() {
            let image = if self.stored.is_null() {
                RegionImage { allocated: vec![0; REGION_WORDS], shared: Vec::new() }
            } else {
                let bytes = source.object(&self.stored, Kind::Region)?;
                RegionImage::decode(&bytes)
                    .map_err(|reason| source.malformed(&self.stored, "the map of a region", reason))?
            };
            // What stands beside the reference was a hint until now, and is counted with from here on.
            let used: u32 = image.allocated.iter().map(|word| word.count_ones()).sum();
            self.free = u32::try_from(REGION_UNITS).unwrap_or(u32::MAX).saturating_sub(used);
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
        let mut first = Slot::new(Ref::default());
        let mut map = RegionMap {
            allocated: vec![0; REGION_WORDS],
            blocked: vec![0; REGION_WORDS],
            fresh: vec![0; REGION_WORDS],
            shared: BTreeMap::new(),
            scan_from: 0,
        };
        set_bits(&mut map.allocated, 0, RESERVED_UNITS);
        set_bits(&mut map.blocked, 0, RESERVED_UNITS);
        first.free -= u32::try_from(RESERVED_UNITS).unwrap_or(0);
        first.map = Some(Box::new(map));
        first.dirty = true;
        Self { regions: vec![first], ..Self::default() }
    }

    /// The space of a stored state.
    pub(crate) fn from_regions(stored: &[Ref]) -> Self {
        Self { regions: stored.iter().copied().map(Slot::new).collect(), ..Self::default() }
    }

    /// Hands out `units` adjacent units.
    pub(crate) fn allocate(&mut self, source: &dyn Source, units: u64) -> Result<u64> {
        let wanted = usize::try_from(units).unwrap_or(usize::MAX);
        if wanted == 0 || wanted > REGION_UNITS {
            return Err(Error::internal(format!("{units} units were asked for at once")));
        }
        let count = self.regions.len();
        for step in 0..count {
            let index = (self.cursor + step) % count;
            if let Some(unit) = self.allocate_in(source, index, wanted)? {
                self.cursor = index;
                return Ok(unit);
            }
        }
        self.regions.push(Slot::new(Ref::default()));
        self.cursor = count;
        self.allocate_in(source, count, wanted)?
            .ok_or_else(|| Error::internal("an empty region has no space"))
    }

    fn allocate_in(&mut self, source: &dyn Source, index: usize, wanted: usize) -> Result<Option<u64>> {
        let Some(slot) = self.regions.get_mut(index) else {
            return Ok(None);
        };
        if slot.longest < wanted || (slot.free as usize) < wanted {
            return Ok(None);
        }
        let map = slot.load(source)?;
        let from = map.scan_from;
        let found = find_run(&map.blocked, from, wanted)
            .or_else(|| if from == 0 { None } else { find_run(&map.blocked, 0, wanted) });
        let Some(start) = found else {
            slot.longest = wanted - 1;
            return Ok(None);
        };
        set_bits(&mut map.allocated, start, wanted);
        set_bits(&mut map.blocked, start, wanted);
        set_bits(&mut map.fresh, start, wanted);
        map.scan_from = start + wanted;
        slot.free = slot.free.saturating_sub(u32::try_from(wanted).unwrap_or(u32::MAX));
        slot.dirty = true;
        let unit = (index * REGION_UNITS + start) as u64;
        self.log.push(Step::Allocated { unit, units: wanted as u64 });
        Ok(Some(unit))
    }

    /// Gives units back; they are handed out again once nobody can want what is there.
    pub(crate) fn free(&mut self, source: &dyn Source, unit: u64, units: u64) -> Result<()> {
        let (slot, start) = self.slot(unit)?;
        let count = usize::try_from(units).unwrap_or(usize::MAX);
        let map = slot.load(source)?;
        if count > REGION_UNITS || !bits_are(&map.allocated, start, count, true) {
            return Err(Error::internal(format!("{units} units at {unit} were freed and not in use")));
        }
        clear_bits(&mut map.allocated, start, count);
        slot.free += u32::try_from(count).unwrap_or(0);
        slot.dirty = true;
        self.log.push(Step::Freed { unit, units });
        Ok(())
    }

    /// Notes one more owner of the object at `unit`.
    pub(crate) fn share(&mut self, source: &dyn Source, unit: u64) -> Result<()> {
        let (slot, start) = self.slot(unit)?;
        let stored = slot.stored;
        let map = slot.load(source)?;
        let extra = map.shared.entry(u16::try_from(start).unwrap_or(u16::MAX)).or_default();
        *extra = extra.checked_add(1).ok_or_else(|| {
            source.malformed(&stored, "the map of a region", "an object has too many owners")
        })?;
        slot.dirty = true;
        self.log.push(Step::Shared { unit });
        Ok(())
    }

    /// Notes one owner less and says so, or says `false` when there is but one.
    pub(crate) fn unshare(&mut self, source: &dyn Source, unit: u64) -> Result<bool> {
        let (slot, start) = self.slot(unit)?;
        let map = slot.load(source)?;
        let key = u16::try_from(start).unwrap_or(u16::MAX);
        let Some(extra) = map.shared.get_mut(&key) else {
            return Ok(false);
        };
        *extra -= 1;
        if *extra == 0 {
            map.shared.remove(&key);
        }
        slot.dirty = true;
        self.log.push(Step::Unshared { unit });
        Ok(true)
    }

    /// Whether a unit of a region that was looked at before is in use.
    pub(crate) fn is_allocated(&self, unit: u64) -> bool {
        let position = usize::try_from(unit).unwrap_or(usize::MAX);
        let map = self.regions.get(position / REGION_UNITS).and_then(|slot| slot.map.as_deref());
        map.is_some_and(|map| bits_are(&map.allocated, position % REGION_UNITS, 1, true))
    }

    /// How many owners beyond the first the object at `unit` has.
    pub(crate) fn extra_owners(&mut self, source: &dyn Source, unit: u64) -> Result<u32> {
        let (slot, start) = self.slot(unit)?;
        let map = slot.load(source)?;
        Ok(map.shared.get(&u16::try_from(start).unwrap_or(u16::MAX)).copied().unwrap_or(0))
    }

    /// The map of a region as it is now.
    pub(crate) fn load_image(&mut self, source: &dyn Source, index: usize) -> Result<RegionImage> {
        let missing = || Error::internal("there is no such region");
        let slot = self.regions.get_mut(index).ok_or_else(missing)?;
        slot.load(source)?;
        slot.image().ok_or_else(missing)
    }

    fn slot(&mut self, unit: u64) -> Result<(&mut Slot, usize)> {
        let position = usize::try_from(unit).unwrap_or(usize::MAX);
        let slot = self.regions.get_mut(position / REGION_UNITS);
        slot.map(|slot| (slot, position % REGION_UNITS))
            .ok_or_else(|| Error::internal(format!("unit {unit} lies in no region")))
    }

    fn map(&mut self, unit: u64) -> Option<(&mut RegionMap, &mut u32, &mut usize, usize)> {
        let position = usize::try_from(unit).ok()?;
        let slot = self.regions.get_mut(position / REGION_UNITS)?;
        let map = slot.map.as_deref_mut()?;
        Some((map, &mut slot.free, &mut slot.longest, position % REGION_UNITS))
    }

    /// Begins a write at the lowest free space.
    pub(crate) fn begin(&mut self) {
        self.cursor = 0;
        self.log.clear();
        for slot in &mut self.regions {
            if let Some(map) = slot.map.as_deref_mut() {
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
            let Some((map, free, longest, start)) = self.map(unit) else {
                continue;
            };
            let key = u16::try_from(start).unwrap_or(u16::MAX);
            match step {
                Step::Allocated { units, .. } => {
                    let count = usize::try_from(units).unwrap_or(0);
                    clear_bits(&mut map.allocated, start, count);
                    clear_bits(&mut map.blocked, start, count);
                    clear_bits(&mut map.fresh, start, count);
                    *free += u32::try_from(count).unwrap_or(0);
                    *longest = REGION_UNITS;
                }
                Step::Freed { units, .. } => {
                    let count = usize::try_from(units).unwrap_or(0);
                    set_bits(&mut map.allocated, start, count);
                    *free = free.saturating_sub(u32::try_from(count).unwrap_or(0));
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

    /// Keeps everything since [`Self::begin`]: what was freed is held for those who can still read it.
    pub(crate) fn commit(&mut self, commit: u64) {
        let (mut readers, mut recovery) = (Vec::new(), Vec::new());
        for step in std::mem::take(&mut self.log) {
            if let Step::Freed { unit, units } = step {
                let fresh =
                    self.map(unit).is_some_and(|(map, _, _, start)| bits_are(&map.fresh, start, 1, true));
                if fresh {
                    readers.push((unit, units));
                } else {
                    recovery.push((unit, units));
                }
            }
        }
        if !readers.is_empty() {
            self.held_by_readers.push_back(Held { commit, extents: readers });
        }
        if !recovery.is_empty() {
            self.held_by_recovery.push_back(Held { commit, extents: recovery });
        }
    }

    /// A superblock was written: from now on a recovery can want everything allocated so far.
    pub(crate) fn superblock_written(&mut self) {
        for slot in &mut self.regions {
            slot.dirty = false;
            if let Some(map) = slot.map.as_deref_mut() {
                map.fresh.fill(0);
            }
        }
    }

    /// Lets go of what was freed in commits up to `oldest_read` (the oldest state with a reader), as far as
    /// recoveries want only `durable` and later.
    pub(crate) fn reclaim(&mut self, oldest_read: u64, durable: u64) {
        while self.held_by_readers.front().is_some_and(|held| held.commit <= oldest_read) {
            let held = self.held_by_readers.pop_front();
            self.unblock(held);
        }
        while self.held_by_recovery.front().is_some_and(|held| held.commit <= oldest_read.min(durable)) {
            let held = self.held_by_recovery.pop_front();
            self.unblock(held);
        }
    }

    fn unblock(&mut self, held: Option<Held>) {
        for (unit, units) in held.into_iter().flat_map(|held| held.extents) {
            if let Some((map, _, longest, start)) = self.map(unit) {
                clear_bits(&mut map.blocked, start, usize::try_from(units).unwrap_or(0));
                *longest = REGION_UNITS;
            }
        }
    }

    /// Bytes that only a recovery holds: a sync would free them.
    pub(crate) fn bytes_held_by_recovery(&self) -> u64 {
        let extents = self.held_by_recovery.iter().flat_map(|held| &held.extents);
        extents.map(|(_, units)| units * super::format::UNIT_BYTES).sum()
    }

    /// Blocks whatever `other` blocks: after a failed sync, readers of states that are no more keep their pages.
    pub(crate) fn block_like(&mut self, other: &Space, source: &dyn Source) -> Result<()> {
        for (index, theirs) in other.regions.iter().enumerate() {
            if index >= self.regions.len() {
                self.regions.push(Slot::new(Ref::default()));
            }
            let (Some(slot), Some(their_map)) = (self.regions.get_mut(index), theirs.map.as_deref()) else {
                continue;
            };
            let map = slot.load(source)?;
            for (mine, their) in map.blocked.iter_mut().zip(&their_map.blocked) {
                *mine |= their;
            }
        }
        Ok(())
    }

    /// One past the last unit in use.
    pub(crate) fn end_unit(&mut self, source: &dyn Source) -> Result<u64> {
        for (index, slot) in self.regions.iter_mut().enumerate().rev() {
            let map = slot.load(source)?;
            let words = map.blocked.iter().enumerate().rev();
            if let Some((word_index, word)) = words.into_iter().find(|(_, word)| **word != 0) {
                let last = index * REGION_UNITS + word_index * 64 + 63 - word.leading_zeros() as usize;
                return Ok(last as u64 + 1);
            }
        }
        Ok(RESERVED_UNITS as u64)
    }
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
