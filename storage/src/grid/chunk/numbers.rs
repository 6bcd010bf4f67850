//! Numbers to stored bits and back.

use half::{bf16, f16};

use crate::grid::path::DataType;

/// How the numbers of one matrix are stored: their type and, for int8, their scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) dtype: DataType,
    pub(crate) scale: f32,
}

impl Numbers {
    /// The stored bits of a number, in the low bytes. Zero bits are an inactive element.
    pub(crate) fn bits(self, value: f32) -> u32 {
        match self.dtype {
            DataType::F32 => value.to_bits(),
            DataType::F16 => u32::from(f16::from_f32(value).to_bits()),
            DataType::Bf16 => u32::from(bf16::from_f32(value).to_bits()),
            DataType::Int8 => u32::from(quantise(value, self.scale)),
        }
    }

    /// The number that bits stand for.
    #[inline]
    pub(crate) fn value(self, bits: u32) -> f32 {
        let [low, high, ..] = bits.to_le_bytes();
        match self.dtype {
            DataType::F32 => f32::from_bits(bits),
            DataType::F16 => f16::from_le_bytes([low, high]).to_f32(),
            DataType::Bf16 => bf16::from_le_bytes([low, high]).to_f32(),
            DataType::Int8 => f32::from(i8::from_le_bytes([low])) * self.scale,
        }
    }

    /// Reads the value at an index of packed values.
    #[inline]
    pub(crate) fn read(self, packed: &[u8], index: usize) -> Option<u32> {
        match self.dtype {
            DataType::F32 => {
                let bytes = packed.get(index * 4..index * 4 + 4)?;
                Some(u32::from_le_bytes(*bytes.first_chunk()?))
            }
            DataType::F16 | DataType::Bf16 => {
                let bytes = packed.get(index * 2..index * 2 + 2)?;
                Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
            }
            DataType::Int8 => packed.get(index).map(|&byte| u32::from(byte)),
        }
    }

    /// Appends packed values.
    pub(crate) fn write(self, out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u32>) {
        let start = out.len();
        out.resize(start + self.dtype.bytes() * values.len(), 0);
        let slots = out.split_at_mut(start).1;
        match self.dtype {
            DataType::F32 => {
                for (slot, bits) in slots.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                    *slot = bits.to_le_bytes();
                }
            }
            DataType::F16 | DataType::Bf16 => {
                for (slot, bits) in slots.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    let [low, high, ..] = bits.to_le_bytes();
                    *slot = [low, high];
                }
            }
            DataType::Int8 => {
                for (slot, bits) in slots.iter_mut().zip(values) {
                    *slot = bits.to_le_bytes()[0];
                }
            }
        }
    }

    /// Packed values as the numbers that they are, where they can be read in place. The map aligns objects, so values
    /// of f32 can.
    pub(crate) fn as_floats(self, packed: &[u8]) -> Option<&[f32]> {
        if self.dtype != DataType::F32 || cfg!(target_endian = "big") {
            return None;
        }
        bytemuck::try_cast_slice(packed).ok()
    }

    /// Decodes packed values into as many numbers.
    pub(crate) fn decode(self, packed: &[u8], numbers: &mut [f32]) {
        match self.dtype {
            DataType::F32 => match self.as_floats(packed) {
                Some(floats) if floats.len() == numbers.len() => numbers.copy_from_slice(floats),
                _ => {
                    for (number, bytes) in numbers.iter_mut().zip(packed.as_chunks::<4>().0) {
                        *number = f32::from_le_bytes(*bytes);
                    }
                }
            },
            DataType::F16 => {
                for (number, bytes) in numbers.iter_mut().zip(packed.as_chunks::<2>().0) {
                    *number = f16::from_le_bytes(*bytes).to_f32();
                }
            }
            DataType::Bf16 => {
                for (number, bytes) in numbers.iter_mut().zip(packed.as_chunks::<2>().0) {
                    *number = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
            DataType::Int8 => {
                for (number, byte) in numbers.iter_mut().zip(packed) {
                    *number = f32::from(i8::from_le_bytes([*byte])) * self.scale;
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the value is clamped to the range of i8; NaN becomes 0")]
fn quantise(value: f32, scale: f32) -> u8 {
    let steps = (value / scale).round().clamp(-127.0, 127.0);
    (steps as i8).to_le_bytes()[0]
}
