//! Muon: momentum whose singular values are brought near one before it is added (Jordan et al. 2024,
//! <https://kellerjordan.github.io/posts/muon>), scaled so that a learning rate and a decay fit for `AdamW` fit here
//! too (2502.16982).

use hyprstream_learning::kernels::{F32Multiplier, Mat, MatMut, Multiplier, Store, square_sum};

const MOMENTUM: f32 = 0.95;
const STEPS: usize = 5;
// The quintic of the Newton-Schulz iteration: steep at zero, and bounded near one.
const LINEAR: f32 = 3.4445;
const CUBIC: f32 = -4.7750;
const QUINTIC: f32 = 2.0315;
// The root mean square of an update by `AdamW`, by which an update is scaled.
const ADAM_RMS: f32 = 0.2;

/// A matrix to update, row by row, with its momentum.
pub(super) struct MatrixUpdate<'a> {
    pub(super) weights: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) momentum: &'a mut [f32],
    pub(super) columns: usize,
}

/// Updates a matrix at this learning rate; `decay` of it is taken off. The result does not depend on the scale of the
/// gradient.
pub(super) fn update(matrix: MatrixUpdate<'_>, learning_rate: f32, decay: f32) {
    let MatrixUpdate { weights, gradient, momentum, columns } = matrix;
    let mut direction = Vec::with_capacity(gradient.len());
    for (momentum, gradient) in momentum.iter_mut().zip(gradient) {
        *momentum = MOMENTUM * *momentum + gradient;
        direction.push(MOMENTUM * *momentum + gradient);
    }
    orthogonalise(&mut direction, columns);
    let longer = columns.max(weights.len() / columns);
    let scale = learning_rate * ADAM_RMS * (longer as f32).sqrt();
    for (weight, direction) in weights.iter_mut().zip(&direction) {
        *weight -= decay * *weight + scale * direction;
    }
}

/// Brings the singular values of a matrix into about 0.7 to 1.2; a matrix of zeros stays as it is.
fn orthogonalise(matrix: &mut Vec<f32>, columns: usize) {
    let norm = square_sum(matrix).sqrt();
    if norm == 0.0 {
        return;
    }
    for value in matrix.iter_mut() {
        *value /= norm;
    }
    let rows = matrix.len() / columns;
    let short = rows.min(columns);
    let (mut gram, mut odd) = (vec![0.0; short * short], vec![0.0; short * short]);
    let mut next = vec![0.0; matrix.len()];
    for _ in 0..STEPS {
        let plain = Mat::new(matrix, columns);
        let transposed = plain.transposed();
        let (left, right) = if rows <= columns { (plain, transposed) } else { (transposed, plain) };
        F32Multiplier.multiply(MatMut::new(&mut gram, short), Store::Overwrite, 1.0, left, right);
        scaled(&mut odd, &gram, CUBIC);
        let square = Mat::new(&gram, short);
        F32Multiplier.multiply(MatMut::new(&mut odd, short), Store::Add, QUINTIC, square, square);
        scaled(&mut next, matrix, LINEAR);
        let odd = Mat::new(&odd, short);
        let (left, right) = if rows <= columns { (odd, plain) } else { (plain, odd) };
        F32Multiplier.multiply(MatMut::new(&mut next, columns), Store::Add, 1.0, left, right);
        std::mem::swap(matrix, &mut next);
    }
}

fn scaled(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = factor * from;
    }
}

#[cfg(test)]
mod tests {
    use hyprstream_learning::gaussian;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn random(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..len).map(|_| gaussian(&mut rng)).collect()
    }

    fn updated(weights: &mut [f32], gradient: &[f32], columns: usize, learning_rate: f32, decay: f32) {
        let mut momentum = vec![0.0; weights.len()];
        let matrix = MatrixUpdate { weights, gradient, momentum: &mut momentum, columns };
        update(matrix, learning_rate, decay);
    }

    // The squared length of matrix times vector, which for a unit vector lies between the squares of the least and
    // the greatest singular value.
    fn gain(matrix: &[f32], columns: usize, vector: &[f32]) -> f32 {
        let norm: f32 = vector.iter().map(|v| v * v).sum();
        let product =
            matrix.chunks_exact(columns).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>());
        product.map(|value| value * value).sum::<f32>() / norm
    }

    #[test]
    fn singular_values_come_near_one_in_tall_matrices() {
        let (rows, columns) = (40, 24);
        let mut matrix = random(rows * columns, 1);
        // One direction is a hundred times as long as the others.
        matrix.iter_mut().step_by(columns).for_each(|value| *value *= 100.0);
        orthogonalise(&mut matrix, columns);
        for seed in 0..50 {
            let square = gain(&matrix, columns, &random(columns, 100 + seed));
            assert!((0.35..1.5).contains(&square), "{square}");
        }
    }

    #[test]
    fn a_wide_matrix_is_updated_as_its_transpose_is() {
        let (rows, columns) = (16, 48);
        let wide = random(rows * columns, 2);
        let tall: Vec<f32> = (0..rows * columns).map(|i| wide[(i % rows) * columns + i / rows]).collect();
        let step = |gradient: &[f32], columns| {
            let mut weights = vec![0.0; gradient.len()];
            updated(&mut weights, gradient, columns, 0.01, 0.0);
            weights
        };
        let (wide, tall) = (step(&wide, columns), step(&tall, rows));
        for (i, value) in tall.iter().enumerate() {
            assert!((value - wide[(i % rows) * columns + i / rows]).abs() < 1e-6);
        }
    }

    #[test]
    fn an_update_moves_as_far_as_adam_would_and_decays_apart_from_it() {
        let (rows, columns) = (32, 64);
        let gradient = random(rows * columns, 3);
        let mut weights = vec![1.0; rows * columns];
        updated(&mut weights, &gradient, columns, 0.1, 0.05);
        let moved: f32 = weights.iter().map(|value| (value - 0.95).powi(2)).sum();
        let rms = (moved / weights.len() as f32).sqrt();
        assert!((0.1 * 0.2 * 0.7..0.1 * 0.2 * 1.2).contains(&rms), "{rms}");
    }

    #[test]
    fn a_gradient_of_zeros_moves_nothing() {
        let mut weights = vec![1.0; 12];
        updated(&mut weights, &[0.0; 12], 4, 0.1, 0.0);
        assert_eq!(weights, [1.0; 12]);
    }
}
