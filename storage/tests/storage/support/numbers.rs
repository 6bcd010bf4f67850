//! How numbers are stored, said once more.

use hyprstream_storage::DataType;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    pub dtype: DataType,
    /// What int8 values are multiplied by; 1 for the other types.
    pub scale: f32,
}

impl Numbers {
    /// Of a matrix that is put as a whole: the largest magnitude becomes 127 steps.
    pub fn of(dtype: DataType, values: &[f32]) -> Self {
        let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = if dtype == DataType::Int8 && largest > 0.0 { largest / 127.0 } else { 1.0 };
        Self { dtype, scale }
    }

    pub fn bits(self, value: f32) -> u32 {
        match self.dtype {
            DataType::F32 => value.to_bits(),
            DataType::F16 => u32::from(half::f16::from_f32(value).to_bits()),
            DataType::Bf16 => u32::from(half::bf16::from_f32(value).to_bits()),
            // A cast takes what is too large to the nearest end, and no number to 0.
            DataType::Int8 => {
                u32::from(((value / self.scale).round().clamp(-127.0, 127.0) as i8).cast_unsigned())
            }
        }
    }

    pub fn value(self, bits: u32) -> f32 {
        match self.dtype {
            DataType::F32 => f32::from_bits(bits),
            DataType::F16 => half::f16::from_bits(bits as u16).to_f32(),
            DataType::Bf16 => half::bf16::from_bits(bits as u16).to_f32(),
            DataType::Int8 => f32::from((bits as u8).cast_signed()) * self.scale,
        }
    }
}
