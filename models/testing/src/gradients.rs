//! Gradients against finite differences of the loss.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A loss with parameters to move.
pub trait Differentiable {
    /// The parameters, a tensor each.
    fn parameters_mut(&mut self) -> Vec<&mut [f32]>;

    /// The loss, and its gradient by each tensor.
    fn run(&mut self) -> (f64, Vec<Vec<f32>>);
}

/// In each tensor, moves all parameters along a drawn direction and compares the loss's change with the gradient's
/// projection on it. Panics where they differ by more than a thousandth.
pub fn assert_gradients(mut loss: impl Differentiable) {
    let (_, gradients) = loss.run();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut checked = 0;
    for (index, gradient) in gradients.iter().enumerate() {
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-7 {
            continue;
        }
        // Half along the gradient, half drawn, so that the projection is never lost in rounding.
        let direction: Vec<f64> = gradient
            .iter()
            .map(|g| {
                f64::from(*g) / norm
                    + 0.5 * f64::from(rng.random_range(-1.0f32..1.0)) / (gradient.len() as f64).sqrt()
            })
            .collect();
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
        let original = loss.parameters_mut()[index].to_vec();
        let mut at = |distance: f64| {
            let moved =
                original.iter().zip(&direction).map(|(value, d)| (f64::from(*value) + distance * d) as f32);
            loss.parameters_mut()[index].iter_mut().zip(moved).for_each(|(value, moved)| *value = moved);
            loss.run().0
        };
        // The fourth-order central difference. A large distance errs by curvature and a small one by rounding;
        // which of them serves depends on the tensor.
        let errors = [0.02, 0.01, 0.004, 0.002].map(|h| {
            let measured = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            (measured - expected).abs() / expected.abs()
        });
        at(0.0);
        let error = errors.into_iter().fold(f64::MAX, f64::min);
        assert!(error < 1e-3, "tensor {index}: gradient {expected}, errors {errors:?}");
        checked += 1;
    }
    let all = gradients.len();
    assert!(checked * 10 >= all * 9, "only {checked} of {all} tensors have a gradient");
}
