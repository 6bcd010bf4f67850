//! Numbers to stored bits and back.

use half::f16;

use crate::grid::path::DataType;
use crate::integer::low_u16;

impl DataType {
    /// The stored bits of a number, in the low bytes. Zero bits are an inactive element.
    pub(crate) fn bits(self, value: f32) -> u32 {
        match self {
            Self::F32 => value.to_bits(),
            Self::F16 => u32::from(f16::from_f32(value).to_bits()),
        }
    }

    /// The number that bits stand for.
    #[inline]
    pub(crate) fn value(self, bits: u32) -> f32 {
        match self {
            Self::F32 => f32::from_bits(bits),
            Self::F16 => f16::from_bits(low_u16(u64::from(bits))).to_f32(),
        }
    }

    /// Reads the value at an index of packed values.
    #[inline]
    pub(crate) fn read(self, packed: &[u8], index: usize) -> Option<u32> {
        match self {
            Self::F32 => {
                let bytes = packed.get(index * 4..index * 4 + 4)?;
                Some(u32::from_le_bytes(*bytes.first_chunk()?))
            }
            Self::F16 => {
                let bytes = packed.get(index * 2..index * 2 + 2)?;
                Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
            }
        }
    }

    /// Appends packed values.
    pub(crate) fn write(self, out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u32>) {
        let start = out.len();
        out.resize(start + self.bytes() * values.len(), 0);
        let packed = out.split_at_mut(start).1;
        match self {
            Self::F32 => {
                for (target, bits) in packed.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                    *target = bits.to_le_bytes();
                }
            }
            Self::F16 => {
                for (target, bits) in packed.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    let [low, high, ..] = bits.to_le_bytes();
                    *target = [low, high];
                }
            }
        }
    }

    /// Packed values as the numbers that they are, where they can be read in place: the map aligns objects, so values
    /// of f32 can.
    pub(crate) fn as_floats(self, packed: &[u8]) -> Option<&[f32]> {
        if self != Self::F32 || cfg!(target_endian = "big") {
            return None;
        }
        bytemuck::try_cast_slice(packed).ok()
    }

    /// Decodes packed values into as many numbers.
    pub(crate) fn decode(self, packed: &[u8], numbers: &mut [f32]) {
        match self {
            Self::F32 => match self.as_floats(packed) {
                Some(floats) if floats.len() == numbers.len() => numbers.copy_from_slice(floats),
                _ => {
                    for (number, bytes) in numbers.iter_mut().zip(packed.as_chunks::<4>().0) {
                        *number = f32::from_le_bytes(*bytes);
                    }
                }
            },
            Self::F16 => {
                for (number, bytes) in numbers.iter_mut().zip(packed.as_chunks::<2>().0) {
                    *number = f16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
    }
}
