//! Sets of tensors that go together: weights, their gradients, their moments.

/// Tensors in one fixed order, the same for all sets of one shape.
pub trait Tensors {
    /// Every tensor.
    fn tensors(&self) -> Vec<&[f32]>;

    /// Every tensor, to be written.
    fn tensors_mut(&mut self) -> Vec<&mut [f32]>;

    /// Sets every number to zero.
    fn clear(&mut self) {
        self.tensors_mut().into_iter().for_each(|tensor| tensor.fill(0.0));
    }

    /// Zeros of the same shape.
    fn zeros_like(&self) -> Self
    where
        Self: Clone,
    {
        let mut zeros = self.clone();
        zeros.clear();
        zeros
    }
}
