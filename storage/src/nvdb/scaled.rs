//! Int8 matrices with the scale that they had.

use crate::error::Result;
use crate::grid::path::{DataType, MatrixPath, Shape};
use crate::grid::transaction::WriteTransaction;
use crate::grid::write::update::UpdateBatch;

/// Stores an int8 matrix with this scale, so that every value comes back as it was; without a scale that suits the
/// values the store chooses one.
pub(super) fn put_int8(
    write: &mut WriteTransaction<'_>,
    path: &MatrixPath,
    shape: Shape,
    values: &mut [f32],
    scale: Option<f32>,
) -> Result<()> {
    let peak = scale.and_then(|scale| peak_of(scale, values));
    let (Some(peak), Some(first)) = (peak, values.first().copied()) else {
        return write.put_matrix(path, shape, DataType::Int8, values);
    };
    // The store derives the scale from the largest magnitude and keeps it in updates, so the first element has the
    // magnitude that leads to this scale, and then its own value.
    for value in values.iter_mut() {
        *value = value.clamp(-peak, peak);
    }
    if let Some(slot) = values.first_mut() {
        *slot = peak;
    }
    write.put_matrix(path, shape, DataType::Int8, values)?;
    let mut batch = UpdateBatch::new();
    batch.set(path, &[(0, 0, first)]);
    write.apply(&batch)
}

/// The largest magnitude that leads to this scale, if the values are of it.
fn peak_of(scale: f32, values: &[f32]) -> Option<f32> {
    let largest = scale * 127.5;
    if !values.iter().all(|value| value.abs() < largest) {
        return None;
    }
    let product = scale * 127.0;
    [product, product.next_down(), product.next_up()]
        .into_iter()
        .find(|peak| peak.is_normal() && (peak / 127.0).to_bits() == scale.to_bits())
}
