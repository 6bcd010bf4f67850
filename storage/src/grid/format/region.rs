//! Regions: which of 65,536 units are in use, and which objects have more than one owner.
//!
//! ```text
//!   0 | kind 6                                     | 1
//!   1 | form: 1 runs, 2 bitmap                     | 1
//!   2 | number of runs                             | 2
//!   4 | number of shared objects                   | 4
//!   8 | form 1: first and last unit of each run    | 4 each
//!     | form 2: a bit for each unit                | 8192
//!     | shared objects: first unit,                | 2 +
//!     |   owners beyond the first                  | 4 each
//!     | zeros                                      |
//! ```

use super::cursor::{Cursor, Encoder};
use super::object::{Decoded, Kind};
use crate::error::Result;
use crate::integer::{field_u16, field_u32, low_u16};

/// Units of a region, 4 MiB.
pub(crate) const REGION_UNITS: usize = 1 << 16;
/// Words of its bitmap.
pub(crate) const REGION_WORDS: usize = REGION_UNITS / 64;
const HEADER_BYTES: usize = 8;
const RUN_BYTES: usize = 4;
const BITMAP_BYTES: usize = REGION_UNITS / 8;
const SHARED_BYTES: usize = 6;
const RUNS: u8 = 1;
const BITMAP: u8 = 2;

/// A region as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegionImage {
    /// One bit a unit, set where it is in use.
    pub(crate) allocated: Vec<u64>,
    /// Objects, by first unit, that have owners beyond the first, and how many.
    pub(crate) shared: Vec<(u16, u32)>,
}

impl RegionImage {
    /// Bytes of the longest encoding of a region with this many shared objects.
    pub(crate) fn max_bytes(shared: usize) -> usize {
        HEADER_BYTES + BITMAP_BYTES + SHARED_BYTES * shared
    }

    /// Bytes that the region would take now.
    pub(crate) fn encoded_bytes(&self) -> usize {
        HEADER_BYTES + (RUN_BYTES * self.runs().len()).min(BITMAP_BYTES) + SHARED_BYTES * self.shared.len()
    }

    /// Runs of used units or the bitmap, whichever is shorter.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let runs = self.runs();
        let mut out = Encoder::with_capacity(Self::max_bytes(self.shared.len()));
        let form = if runs.len() * RUN_BYTES < BITMAP_BYTES { RUNS } else { BITMAP };
        out.u8(Kind::Region.code()).u8(form);
        out.u16(if form == RUNS { field_u16(runs.len(), "the number of runs of a region")? } else { 0 });
        out.u32(field_u32(self.shared.len(), "the number of shared objects of a region")?);
        if form == RUNS {
            for (start, last) in runs {
                out.u16(start).u16(last);
            }
        } else {
            for word in &self.allocated {
                out.u64(*word);
            }
        }
        for (unit, extra) in &self.shared {
            out.u16(*unit).u32(*extra);
        }
        Ok(out.bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut input = Cursor::new(bytes);
        if input.u8()? != Kind::Region.code() {
            return Err("it is not a region");
        }
        let form = input.u8()?;
        let runs = input.u16()?;
        let shared_len = input.u32()?;
        let mut allocated = vec![0u64; REGION_WORDS];
        match form {
            RUNS => {
                for _ in 0..runs {
                    let (start, last) = (input.u16()?, input.u16()?);
                    if last < start {
                        return Err("a region's run ends before it begins");
                    }
                    set_bits(&mut allocated, usize::from(start), usize::from(last - start) + 1);
                }
            }
            BITMAP => {
                for word in &mut allocated {
                    *word = input.u64()?;
                }
            }
            _ => return Err("a region is of an unknown form"),
        }
        let mut shared = Vec::new();
        for _ in 0..shared_len {
            let (unit, extra) = (input.u16()?, input.u32()?);
            if extra == 0 {
                return Err("a region's shared object has one owner");
            }
            shared.push((unit, extra));
        }
        if input.rest().iter().any(|byte| *byte != 0) {
            return Err("a region is longer than its parts");
        }
        Ok(Self { allocated, shared })
    }

    /// First and last unit of each run of used units.
    fn runs(&self) -> Vec<(u16, u16)> {
        // A unit's number in its region is below 2^16, which is how many units a region has.
        let number = |unit: usize| low_u16(unit as u64);
        let mut runs = Vec::new();
        let mut at = next_bit(&self.allocated, 0, true);
        while let Some(start) = at {
            let end = next_bit(&self.allocated, start, false).unwrap_or(REGION_UNITS);
            runs.push((number(start), number(end - 1)));
            at = next_bit(&self.allocated, end, true);
        }
        runs
    }
}

/// The first bit at or after `from` that is set (or clear).
pub(crate) fn next_bit(words: &[u64], from: usize, set: bool) -> Option<usize> {
    let flip = if set { 0 } else { u64::MAX };
    let mut index = from / 64;
    let mut word = (words.get(index)? ^ flip) & (u64::MAX << (from % 64));
    loop {
        if word != 0 {
            return Some(index * 64 + word.trailing_zeros() as usize);
        }
        index += 1;
        word = words.get(index)? ^ flip;
    }
}

/// Sets `count` bits from `start`; those past the end are ignored.
pub(crate) fn set_bits(words: &mut [u64], start: usize, count: usize) {
    for_each_mask(words, start, count, |word, mask| *word |= mask);
}

/// Clears `count` bits from `start`; those past the end are ignored.
pub(crate) fn clear_bits(words: &mut [u64], start: usize, count: usize) {
    for_each_mask(words, start, count, |word, mask| *word &= !mask);
}

/// Whether all (or none) of `count` bits from `start` are set.
pub(crate) fn bits_are(words: &[u64], start: usize, count: usize, set: bool) -> bool {
    match next_bit(words, start, !set) {
        Some(first_other) => first_other >= start + count,
        None => start + count <= words.len() * 64,
    }
}

fn for_each_mask(words: &mut [u64], start: usize, count: usize, mut change: impl FnMut(&mut u64, u64)) {
    let end = start + count;
    let mut at = start;
    while at < end {
        let upto = end.min((at / 64 + 1) * 64);
        let bits = upto - at;
        let mask = if bits == 64 { u64::MAX } else { ((1u64 << bits) - 1) << (at % 64) };
        if let Some(word) = words.get_mut(at / 64) {
            change(word, mask);
        }
        at = upto;
    }
}
