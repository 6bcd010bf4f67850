//! Matrix products in bf16, where the processor has a matrix unit for it.

use hyprstream_learning::Precision;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use hyprstream_learning::kernels::F32Multiplier as TileMultiplier;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::full_training::amx::TileMultiplier;

/// The factors of a product are rounded to bf16 where the processor has AMX; elsewhere this computes as
/// [`Precision::F32`] does.
pub const BF16: Precision = Precision::new("Bf16", || Box::<TileMultiplier>::default());

/// The nearest bf16, ties to even.
pub(super) fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}
