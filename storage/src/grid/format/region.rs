//! Regions: which of 65,536 units are in use, and which objects have more than one owner.

use super::{Cursor, Decoded, Encoder, Kind};

/// Units of a region, 4 MiB.
pub(crate) const REGION_UNITS: usize = 1 << 16;
/// Words of its bitmap.
pub(crate) const REGION_WORDS: usize = REGION_UNITS / 64;
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
        8 + 8 * REGION_WORDS + 6 * shared
    }

    /// Bytes that the region would take now.
    pub(crate) fn encoded_bytes(&self) -> usize {
        8 + (4 * self.runs().len()).min(8 * REGION_WORDS) + 6 * self.shared.len()
    }

    /// Runs of used units or the bitmap, whichever is shorter.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let runs = self.runs();
        let mut out = Encoder::with_capacity(Self::max_bytes(self.shared.len()));
        let form = if runs.len() * 4 < 8 * REGION_WORDS { RUNS } else { BITMAP };
        out.u8(Kind::Region.code()).u8(form);
        out.u16(if form == RUNS { u16::try_from(runs.len()).unwrap_or(u16::MAX) } else { 0 });
        out.u32(u32::try_from(self.shared.len()).unwrap_or(u32::MAX));
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
        out.bytes
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
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let mut runs = Vec::new();
        let mut at = next_bit(&self.allocated, 0, true);
        while let Some(start) = at {
            let end = next_bit(&self.allocated, start, false).unwrap_or(REGION_UNITS);
            runs.push((short(start), short(end - 1)));
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
