//! `InfoNCE` (1807.03748) in both directions over pooled sequences, with the other pairs of the batch as negatives.

use hyprstream_learning::kernels::{
    F32Multiplier, Mat, MatMut, Multiplier, Store, axpy, dot, exponentials, scale,
};
use hyprstream_learning::{Network, Pass, Shards};

use crate::error::Result;
use crate::full_training::options::FullBatch;

/// The loss of a batch of pairs.
pub(super) struct ContrastiveLoss {
    /// Mean over pairs and directions, in nats.
    pub(super) nats: f64,
    /// The part of the rows whose partner was the most similar.
    pub(super) accuracy: f32,
}

/// The loss, and the gradients of the pooled rows, left and right.
struct Contrast {
    loss: ContrastiveLoss,
    d_left: Vec<f32>,
    d_right: Vec<f32>,
}

/// Adds the weighted gradient of the loss of the batch's pairs to that of the shards.
pub(super) fn add_gradient(
    shards: &mut Shards,
    network: Network<'_>,
    batch: &FullBatch<'_>,
) -> Result<ContrastiveLoss> {
    let (pairs, width) = (batch.pairs, network.config().hidden_size);
    let sequences: Vec<&[u32]> = pairs.iter().flat_map(|(left, right)| [left.as_slice(), right]).collect();
    let passes = shards.forward(network, &sequences)?;
    let mut sides = [vec![0.0; pairs.len() * width], vec![0.0; pairs.len() * width]];
    for pass in &passes {
        let pooled = mean_pool(pass.hidden(), pass.starts(), width);
        for (&index, row) in pass.sequences().iter().zip(pooled.chunks_exact(width)) {
            sides[index % 2][index / 2 * width..][..width].copy_from_slice(row);
        }
    }
    let contrast = info_nce(&sides[0], &sides[1], width, batch.temperature);
    let row = |index: usize| {
        let side = if index.is_multiple_of(2) { &contrast.d_left } else { &contrast.d_right };
        &side[index / 2 * width..][..width]
    };
    let write = |pass: &Pass, d_hidden: &mut [f32]| {
        let rows = pass.sequences().iter().flat_map(|&index| row(index));
        let mut d_pooled: Vec<f32> = rows.copied().collect();
        scale(&mut d_pooled, batch.contrastive_weight);
        mean_pool_backward(&d_pooled, pass.starts(), width, d_hidden);
    };
    shards.backward(network, passes, write)?;
    Ok(contrast.loss)
}

/// Rows of `left` and `right` with the same index belong together; both are [pairs, width], not normalised.
fn info_nce(left: &[f32], right: &[f32], width: usize, temperature: f32) -> Contrast {
    let pairs = left.len() / width;
    let (left, left_norms) = unit_rows(left, width);
    let (right, right_norms) = unit_rows(right, width);
    let (left_rows, right_rows) = (Mat::new(&left, width), Mat::new(&right, width));
    let multiply = |target: &mut [f32], columns: usize, a: Mat<'_>, b: Mat<'_>| {
        let target = MatMut::new(target, columns);
        F32Multiplier.multiply(target, Store::Overwrite, 1.0 / temperature, a, b);
    };
    let mut scores = vec![0.0; pairs * pairs];
    multiply(&mut scores, pairs, left_rows, right_rows.transposed());
    let mut transposed: Vec<f32> =
        (0..pairs * pairs).map(|i| scores[(i % pairs) * pairs + i / pairs]).collect();
    let (rows_loss, rows_hits) = direction(&mut scores, pairs);
    let (columns_loss, columns_hits) = direction(&mut transposed, pairs);
    for (index, score) in scores.iter_mut().enumerate() {
        *score += transposed[(index % pairs) * pairs + index / pairs];
    }
    let mut d_left = vec![0.0; left.len()];
    let mut d_right = vec![0.0; right.len()];
    let d_scores = Mat::new(&scores, pairs);
    multiply(&mut d_left, width, d_scores, right_rows);
    multiply(&mut d_right, width, d_scores.transposed(), left_rows);
    through_norm(&left, &left_norms, width, &mut d_left);
    through_norm(&right, &right_norms, width, &mut d_right);
    let nats = (rows_loss + columns_loss) / (2 * pairs) as f64;
    let accuracy = (rows_hits + columns_hits) as f32 / (2 * pairs) as f32;
    Contrast { loss: ContrastiveLoss { nats, accuracy }, d_left, d_right }
}

/// Means of the rows of each sequence, [sequences, width].
pub(super) fn mean_pool(hidden: &[f32], starts: &[usize], width: usize) -> Vec<f32> {
    let mut pooled = vec![0.0; (starts.len() - 1) * width];
    for (bounds, pooled) in starts.windows(2).zip(pooled.chunks_exact_mut(width)) {
        let rows = &hidden[bounds[0] * width..bounds[1] * width];
        let factor = 1.0 / (bounds[1] - bounds[0]).max(1) as f32;
        rows.chunks_exact(width).for_each(|row| axpy(pooled, factor, row));
    }
    pooled
}

/// The gradient of [`mean_pool`].
fn mean_pool_backward(d_pooled: &[f32], starts: &[usize], width: usize, d_hidden: &mut [f32]) {
    for (bounds, d_pooled) in starts.windows(2).zip(d_pooled.chunks_exact(width)) {
        let factor = 1.0 / (bounds[1] - bounds[0]).max(1) as f32;
        for row in d_hidden[bounds[0] * width..bounds[1] * width].chunks_exact_mut(width) {
            row.iter_mut().zip(d_pooled).for_each(|(d, pooled)| *d = pooled * factor);
        }
    }
}

/// Rows of length one, and the lengths they had.
pub(super) fn unit_rows(rows: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let mut unit = rows.to_vec();
    let norms = unit.chunks_exact_mut(width).map(|row| {
        let norm = dot(row, row).sqrt().max(1e-12);
        scale(row, 1.0 / norm);
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
        scale(row, weight / sum);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use hyprstream_learning::{BaseWeights, Gradients, Precision, Tensors};
    use hyprstream_models::{Architecture, ModelConfig};
    use hyprstream_models_testing::gradients::{Differentiable, assert_gradients};
    use hyprstream_models_testing::random;

    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn pairs() -> Vec<(Vec<u32>, Vec<u32>)> {
        let sequence = |len: u32, seed: u32| -> Vec<u32> {
            (0..len).map(|i| (i * i * 5 + seed * 17 + i) % 61).collect()
        };
        vec![
            (sequence(5, 1), sequence(9, 2)),
            (sequence(7, 3), sequence(4, 4)),
            (sequence(12, 5), sequence(3, 6)),
        ]
    }

    /// The loss of the pairs by all weights.
    struct PairLoss(BaseWeights);

    impl PairLoss {
        /// Of a model whose matrices are large enough that every part of it matters.
        fn new(architecture: Architecture) -> Self {
            let config = ModelConfig {
                vocab_size: 61,
                hidden_size: 24,
                intermediate_size: 40,
                head_dim: 8,
                eos_token_ids: vec![0],
                ..random::small_config(architecture)
            };
            let mut base = BaseWeights::random(&config, 3).unwrap();
            let matrices = base.tensors_mut().into_iter().filter(|tensor| tensor.len() > 64);
            matrices.flatten().for_each(|value| *value *= 10.0);
            Self(base)
        }
    }

    impl Differentiable for PairLoss {
        fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
            self.0.tensors_mut()
        }

        fn run(&mut self) -> (f64, Vec<Vec<f32>>) {
            let zeros = Gradients::zeros_for(&self.0);
            let mut shards = Shards::try_new(1, 2, Precision::F32, &zeros).unwrap();
            let (network, pairs) = (Network::new(&self.0, &GO_ON), pairs());
            let batch = FullBatch {
                pairs: &pairs,
                temperature: 0.3,
                contrastive_weight: 1.0,
                ..FullBatch::default()
            };
            let loss = add_gradient(&mut shards, network, &batch).unwrap();
            shards.reduce();
            (loss.nats, shards.sum().tensors().into_iter().map(<[f32]>::to_vec).collect())
        }
    }

    #[test]
    fn contrastive_gradients_are_the_differences_of_the_loss() {
        assert_gradients(PairLoss::new(Architecture::Qwen3));
        assert_gradients(PairLoss::new(Architecture::Llama));
    }
}
