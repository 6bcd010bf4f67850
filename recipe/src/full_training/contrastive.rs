//! `InfoNCE` (1807.03748) in both directions over pooled sequences, with the other pairs of the batch as negatives.

use crate::kernels::{Mat, Multiplier, dot};
use crate::loss::exponentials;
use crate::options::Precision;

/// The loss of a batch of pairs and its gradient.
pub(crate) struct Contrast {
    /// Mean over pairs and directions, in nats.
    pub(crate) loss: f64,
    /// The part of the rows whose partner was the most similar.
    pub(crate) accuracy: f32,
    /// The gradients of the pooled rows, left and right.
    pub(crate) d_left: Vec<f32>,
    pub(crate) d_right: Vec<f32>,
}

/// Rows of `left` and `right` with the same index belong together; both are [pairs, width], not normalised.
pub(crate) fn info_nce(left: &[f32], right: &[f32], width: usize, temperature: f32) -> Contrast {
    let pairs = left.len() / width;
    let mut multiplier = Multiplier::new(Precision::F32);
    let (left, left_norms) = unit_rows(left, width);
    let (right, right_norms) = unit_rows(right, width);
    let mut scores = vec![0.0; pairs * pairs];
    let shape = (pairs, pairs, width);
    multiplier.multiply(
        &mut scores,
        pairs,
        shape,
        Mat::rows(&left, width),
        Mat::transposed(&right, width),
        1.0 / temperature,
        false,
    );
    let mut turned: Vec<f32> = (0..pairs * pairs).map(|i| scores[(i % pairs) * pairs + i / pairs]).collect();
    let (rows_loss, rows_hits) = direction(&mut scores, pairs);
    let (columns_loss, columns_hits) = direction(&mut turned, pairs);
    for (index, score) in scores.iter_mut().enumerate() {
        *score += turned[(index % pairs) * pairs + index / pairs];
    }
    let mut d_left = vec![0.0; left.len()];
    let mut d_right = vec![0.0; right.len()];
    let (d_scores, d_turned) = (Mat::rows(&scores, pairs), Mat::transposed(&scores, pairs));
    let shape = (pairs, width, pairs);
    multiplier.multiply(
        &mut d_left,
        width,
        shape,
        d_scores,
        Mat::rows(&right, width),
        1.0 / temperature,
        false,
    );
    multiplier.multiply(
        &mut d_right,
        width,
        shape,
        d_turned,
        Mat::rows(&left, width),
        1.0 / temperature,
        false,
    );
    through_norm(&left, &left_norms, width, &mut d_left);
    through_norm(&right, &right_norms, width, &mut d_right);
    let loss = (rows_loss + columns_loss) / (2 * pairs) as f64;
    let accuracy = (rows_hits + columns_hits) as f32 / (2 * pairs) as f32;
    Contrast { loss, accuracy, d_left, d_right }
}

/// Means of the rows of each sequence, [sequences, width].
pub(crate) fn mean_pool(hidden: &[f32], starts: &[usize], width: usize) -> Vec<f32> {
    let mut pooled = vec![0.0; (starts.len() - 1) * width];
    for (bounds, pooled) in starts.windows(2).zip(pooled.chunks_exact_mut(width)) {
        let rows = &hidden[bounds[0] * width..bounds[1] * width];
        let factor = 1.0 / (bounds[1] - bounds[0]).max(1) as f32;
        rows.chunks_exact(width).for_each(|row| crate::kernels::axpy(pooled, factor, row));
    }
    pooled
}

/// The gradient of [`mean_pool`].
pub(crate) fn mean_pool_backward(d_pooled: &[f32], starts: &[usize], width: usize, d_hidden: &mut [f32]) {
    for (bounds, d_pooled) in starts.windows(2).zip(d_pooled.chunks_exact(width)) {
        let factor = 1.0 / (bounds[1] - bounds[0]).max(1) as f32;
        for row in d_hidden[bounds[0] * width..bounds[1] * width].chunks_exact_mut(width) {
            row.iter_mut().zip(d_pooled).for_each(|(d, pooled)| *d = pooled * factor);
        }
    }
}

/// Rows of length one, and the lengths they had.
pub(crate) fn unit_rows(rows: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let mut unit = rows.to_vec();
    let norms = unit.chunks_exact_mut(width).map(|row| {
        let norm = dot(row, row).sqrt().max(1e-12);
        crate::kernels::scale(row, 1.0 / norm);
        norm
    });
    let norms = norms.collect();
    (unit, norms)
}

/// Sums the loss of one direction, whose scores become half their gradient over the pairs, and counts the hits.
fn direction(scores: &mut [f32], pairs: usize) -> (f64, usize) {
    let (mut loss, mut hits) = (0.0, 0);
    let weight = 0.5 / pairs as f32;
    for (index, row) in scores.chunks_exact_mut(pairs).enumerate() {
        let own = row[index];
        let (greatest, sum) = exponentials(row);
        loss += f64::from(sum.ln() + greatest - own);
        hits += usize::from(own >= greatest);
        crate::kernels::scale(row, weight / sum);
        row[index] -= weight;
    }
    (loss, hits)
}

fn through_norm(unit: &[f32], norms: &[f32], width: usize, gradient: &mut [f32]) {
    for ((unit, gradient), norm) in unit.chunks_exact(width).zip(gradient.chunks_exact_mut(width)).zip(norms)
    {
        let along = dot(unit, gradient);
        gradient
            .iter_mut()
            .zip(unit)
            .for_each(|(gradient, unit)| *gradient = (*gradient - unit * along) / norm);
    }
}
