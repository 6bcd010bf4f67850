//! Rising positions as the distances between them.
//!
//! Distances of random positions are distributed geometrically and do not repeat: a Rice code comes within two hundredths
//! of a byte of their entropy and needs no table. Distances of positions that follow a pattern repeat, so they go through
//! the compressor as bytes.

use crate::grid::format::cursor::Cursor;
use crate::grid::format::object::Decoded;

/// The largest parameter that is worth trying: positions are below 2^12.
const MAX_PARAMETER: u8 = 11;

/// Appends the distances of rising positions, each less one; the first is the first position itself.
pub(super) fn push_gaps(positions: impl Iterator<Item = u16>, gaps: &mut Vec<u16>) {
    let mut next = 0u16;
    for position in positions {
        gaps.push(position.saturating_sub(next));
        next = position.saturating_add(1);
    }
}

/// Appends the positions that these gaps lead to.
pub(super) fn push_positions(gaps: &[u16], positions: &mut Vec<u8>) -> Decoded<()> {
    let mut next = 0u16;
    for gap in gaps {
        let position = next.checked_add(*gap).ok_or("a gap leads past its leaf")?;
        positions.extend_from_slice(&position.to_le_bytes());
        next = position.saturating_add(1);
    }
    Ok(())
}

/// A gap in a byte when it is below 255, else 255 and a u16.
pub(super) fn gaps_to_bytes(gaps: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(gaps.len());
    for gap in gaps {
        match u8::try_from(*gap) {
            Ok(short) if short < u8::MAX => bytes.push(short),
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&gap.to_le_bytes());
            }
        }
    }
    bytes
}

/// The inverse of [`gaps_to_bytes`].
pub(super) fn gaps_from_bytes(bytes: &[u8], count: usize) -> Decoded<Vec<u16>> {
    let mut input = Cursor::new(bytes);
    let gaps = (0..count).map(|_| match input.u8()? {
        u8::MAX => input.u16(),
        short => Ok(u16::from(short)),
    });
    let gaps = gaps.collect::<Decoded<Vec<u16>>>()?;
    if input.is_empty() { Ok(gaps) } else { Err("a cold chunk has more gaps than active elements") }
}

/// The parameter whose Rice code of these gaps is the shortest.
pub(super) fn best_parameter(gaps: &[u16]) -> u8 {
    let bits = |parameter: &u8| -> u64 {
        let ones = gaps.iter().map(|gap| u64::from(gap >> parameter)).sum::<u64>();
        ones + gaps.len() as u64 * (1 + u64::from(*parameter))
    };
    (0..=MAX_PARAMETER).min_by_key(bits).unwrap_or(0)
}

/// Each gap as zeros that count its high part, a one, and its low `parameter` bits; low bits of a byte first.
pub(super) fn gaps_to_rice(gaps: &[u16], parameter: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(gaps.len() + gaps.len() / 4);
    let (mut held, mut count) = (0u64, 0u32);
    let mut put = |bits: u64, len: u32| {
        held |= bits << count;
        count += len;
        while count >= 8 {
            bytes.push(held.to_le_bytes()[0]);
            held >>= 8;
            count -= 8;
        }
    };
    for gap in gaps {
        let mut zeros = u32::from(gap >> parameter);
        while zeros >= 32 {
            put(0, 32);
            zeros -= 32;
        }
        put(1 << zeros, zeros + 1);
        let low = u64::from(*gap) & ((1 << parameter) - 1);
        put(low, u32::from(parameter));
    }
    put(0, 7);
    bytes
}

/// The inverse of [`gaps_to_rice`].
pub(super) fn gaps_from_rice(bytes: &[u8], parameter: u8, count: usize) -> Decoded<Vec<u16>> {
    let mut bits = Bits { bytes: bytes.iter(), held: 0, count: 0 };
    (0..count)
        .map(|_| {
            let high = bits.zeros()?;
            let low = bits.take(u32::from(parameter))?;
            let gap = u64::from(high) << parameter | low;
            u16::try_from(gap).map_err(|_| "a gap leads past its leaf")
        })
        .collect()
}

struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.bytes.next() else { return };
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
        }
    }

    /// Zeros before the next one, which is taken too.
    fn zeros(&mut self) -> Decoded<u32> {
        let mut zeros = 0u32;
        loop {
            self.fill();
            if self.held != 0 {
                let more = self.held.trailing_zeros();
                self.drop(more + 1);
                return Ok(zeros.saturating_add(more));
            }
            if self.count == 0 {
                return Err("a cold chunk's gaps end too early");
            }
            zeros = zeros.saturating_add(self.count);
            self.count = 0;
        }
    }

    fn take(&mut self, len: u32) -> Decoded<u64> {
        self.fill();
        if self.count < len {
            return Err("a cold chunk's gaps end too early");
        }
        let bits = self.held & ((1 << len) - 1);
        self.drop(len);
        Ok(bits)
    }

    fn drop(&mut self, len: u32) {
        self.held = self.held.checked_shr(len).unwrap_or(0);
        self.count -= len;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops where something is not there")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gaps_come_back_from_every_code(gaps in prop::collection::vec(0u16..4096, 0..300), parameter in 0u8..=11) {
            let rice = gaps_to_rice(&gaps, parameter);
            prop_assert_eq!(&gaps_from_rice(&rice, parameter, gaps.len()).unwrap(), &gaps);
            let bytes = gaps_to_bytes(&gaps);
            prop_assert_eq!(&gaps_from_bytes(&bytes, gaps.len()).unwrap(), &gaps);
        }

        #[test]
        fn any_bytes_are_gaps_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64), parameter in 0u8..=15) {
            let _ = gaps_from_rice(&bytes, parameter, 100);
            let _ = gaps_from_bytes(&bytes, 100);
        }
    }

    #[test]
    fn the_best_parameter_is_that_of_the_mean_gap() {
        assert_eq!(best_parameter(&[0, 0, 1, 0, 0]), 0);
        assert_eq!(best_parameter(&[99, 60, 110, 20, 200]), 6);
        assert_eq!(gaps_to_rice(&[99, 60, 110, 20, 200], 6).len(), 5);
    }
}
