//! How numbers are stored, said once more.

use hyprstream_storage::DataType;

pub fn to_bits(dtype: DataType, value: f32) -> u32 {
    match dtype {
        DataType::F32 => value.to_bits(),
        DataType::F16 => u32::from(half::f16::from_f32(value).to_bits()),
    }
}

pub fn from_bits(dtype: DataType, bits: u32) -> f32 {
    match dtype {
        DataType::F32 => f32::from_bits(bits),
        DataType::F16 => half::f16::from_bits(bits as u16).to_f32(),
    }
}
