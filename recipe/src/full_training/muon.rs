//! Muon: momentum whose singular values are brought near one before it is added (Jordan et al. 2024,
//! <https://kellerjordan.github.io/posts/muon>), scaled so that a learning rate and a decay fit for `AdamW` fit here
//! too (2502.16982).

use crate::kernels::{Mat, Multiplier};
use crate::options::Precision;

const MOMENTUM: f32 = 0.95;
const STEPS: usize = 5;
// The quintic of the Newton-Schulz iteration: steep at zero, and bounded near one.
const LINEAR: f32 = 3.4445;
const CUBIC: f32 = -4.7750;
const QUINTIC: f32 = 2.0315;
// The root mean square of an update by `AdamW`, by which an update is scaled.
const ADAM_RMS: f32 = 0.2;

/// Updates a matrix of `rows` × `columns`. The result does not depend on the scale of the gradient.
pub(crate) fn update(
    parameter: &mut [f32],
    gradient: &[f32],
    momentum: &mut [f32],
    (rows, columns): (usize, usize),
    (rate, weight_decay): (f32, f32),
) {
    let mut direction = Vec::with_capacity(gradient.len());
    for (momentum, gradient) in momentum.iter_mut().zip(gradient) {
        *momentum = MOMENTUM * *momentum + gradient;
        direction.push(MOMENTUM * *momentum + gradient);
    }
    orthogonalise(&mut direction, rows, columns);
    let scale = rate * ADAM_RMS * (rows.max(columns) as f32).sqrt();
    for (parameter, direction) in parameter.iter_mut().zip(&direction) {
        *parameter -= rate * weight_decay * *parameter + scale * direction;
    }
}

/// Brings the singular values of a matrix into about 0.7 to 1.2; a matrix of zeros stays as it is.
fn orthogonalise(matrix: &mut Vec<f32>, rows: usize, columns: usize) {
    let norm = crate::kernels::square_sum(matrix).sqrt();
    if norm == 0.0 {
        return;
    }
    for value in matrix.iter_mut() {
        *value /= norm;
    }
    let mut multiplier = Multiplier::new(Precision::F32);
    let short = rows.min(columns);
    let (mut gram, mut odd) = (vec![0.0; short * short], vec![0.0; short * short]);
    let mut next = vec![0.0; matrix.len()];
    for _ in 0..STEPS {
        let (plain, turned) = (Mat::rows(matrix, columns), Mat::transposed(matrix, columns));
        let (left, right, long) =
            if rows <= columns { (plain, turned, columns) } else { (turned, plain, rows) };
        multiplier.multiply(&mut gram, short, (short, short, long), left, right, 1.0, false);
        scaled(&mut odd, &gram, CUBIC);
        let square = Mat::rows(&gram, short);
        multiplier.multiply(&mut odd, short, (short, short, short), square, square, QUINTIC, true);
        scaled(&mut next, matrix, LINEAR);
        let odd = Mat::rows(&odd, short);
        let (left, right) = if rows <= columns { (odd, plain) } else { (plain, odd) };
        multiplier.multiply(&mut next, columns, (rows, columns, short), left, right, 1.0, true);
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
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::weights::gaussian;

    fn random(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..len).map(|_| gaussian(&mut rng)).collect()
    }

    // The squared length of matrix times vector, which for a unit vector lies between the squares of the least and
    // the greatest singular value.
    fn stretch(matrix: &[f32], columns: usize, vector: &[f32]) -> f32 {
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
        orthogonalise(&mut matrix, rows, columns);
        for seed in 0..50 {
            let square = stretch(&matrix, columns, &random(columns, 100 + seed));
            assert!((0.35..1.5).contains(&square), "{square}");
        }
    }

    #[test]
    fn a_wide_matrix_is_updated_as_its_transpose_is() {
        let (rows, columns) = (16, 48);
        let wide = random(rows * columns, 2);
        let tall: Vec<f32> = (0..rows * columns).map(|i| wide[(i % rows) * columns + i / rows]).collect();
        let step = |gradient: &[f32], rows, columns| {
            let (mut parameter, mut momentum) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
            update(&mut parameter, gradient, &mut momentum, (rows, columns), (0.01, 0.0));
            parameter
        };
        let (wide, tall) = (step(&wide, rows, columns), step(&tall, columns, rows));
        for (i, value) in tall.iter().enumerate() {
            assert!((value - wide[(i % rows) * columns + i / rows]).abs() < 1e-6);
        }
    }

    #[test]
    fn an_update_moves_as_far_as_adam_would_and_decays_apart_from_it() {
        let (rows, columns) = (32, 64);
        let gradient = random(rows * columns, 3);
        let mut parameter = vec![1.0; rows * columns];
        let mut momentum = vec![0.0; rows * columns];
        update(&mut parameter, &gradient, &mut momentum, (rows, columns), (0.1, 0.5));
        let moved: f32 = parameter.iter().map(|value| (value - 0.95).powi(2)).sum();
        let rms = (moved / parameter.len() as f32).sqrt();
        assert!((0.1 * 0.2 * 0.7..0.1 * 0.2 * 1.2).contains(&rms), "{rms}");
    }

    #[test]
    fn a_gradient_of_zeros_moves_nothing() {
        let (mut parameter, mut momentum) = (vec![1.0; 12], vec![0.0; 12]);
        update(&mut parameter, &[0.0; 12], &mut momentum, (3, 4), (0.1, 0.0));
        assert_eq!(parameter, [1.0; 12]);
    }
}
