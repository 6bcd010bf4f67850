//! Cross-entropy over the target rows, in chunks of rows so that the whole matrix of logits never exists.

use crate::kernels::{Mat, exp, scale};
use crate::network::{Gradients, Network};
use crate::workspace::Workspace;

/// The gradient side of [`cross_entropy`].
pub(crate) struct LossGradient<'a> {
    /// The gradient of the hidden rows; those that predict a target are overwritten.
    pub(crate) d_hidden: &'a mut [f32],
    pub(crate) gradients: &'a mut Gradients,
    /// What each target's loss is multiplied by.
    pub(crate) weights: &'a [f32],
}

/// The sum over `targets`, (row, token), of the negative logarithm of the token's probability, in nats.
pub(crate) fn cross_entropy(
    network: Network<'_>,
    hidden: &[f32],
    targets: &[(usize, u32)],
    mut gradient: Option<LossGradient<'_>>,
    workspace: &mut Workspace,
) -> f64 {
    const LOGITS: usize = 1 << 20;
    let (vocab, width) = (network.base.dims.vocab, network.base.dims.hidden);
    let chunk = (LOGITS / vocab).clamp(16, 512).min(targets.len().max(1));
    let head = network.base.head();
    let mut logits = workspace.take(chunk * vocab);
    let mut rows = workspace.take(chunk * width);
    let mut d_rows = workspace.take(chunk * width);
    let mut sum = 0.0;
    for (part, targets) in targets.chunks(chunk).enumerate() {
        let count = targets.len();
        for (row, &(index, _)) in rows.chunks_exact_mut(width).zip(targets) {
            row.copy_from_slice(&hidden[index * width..][..width]);
        }
        let shape = (count, vocab, width);
        workspace.matmul(
            &mut logits,
            vocab,
            shape,
            Mat::rows(&rows, width),
            Mat::transposed(head, width),
            1.0,
            false,
        );
        let weights = gradient.as_ref().map(|gradient| &gradient.weights[part * chunk..]);
        for (index, (row, &(_, token))) in logits.chunks_exact_mut(vocab).zip(targets).enumerate() {
            let weight = weights.map_or(0.0, |weights| weights[index]);
            sum += f64::from(row_loss(row, token as usize, weight));
        }
        let Some(gradient) = &mut gradient else { continue };
        let d_logits = Mat::rows(&logits, vocab);
        workspace.matmul(
            &mut d_rows,
            width,
            (count, width, vocab),
            d_logits,
            Mat::rows(head, width),
            1.0,
            false,
        );
        for (row, &(index, _)) in d_rows.chunks_exact(width).zip(targets) {
            gradient.d_hidden[index * width..][..width].copy_from_slice(row);
        }
        if let Some(weights) = &mut gradient.gradients.weights {
            let d_head = if weights.head.is_empty() { &mut weights.embedding } else { &mut weights.head };
            let d_logits = Mat::transposed(&logits, vocab);
            workspace.matmul(
                d_head,
                width,
                (vocab, width, count),
                d_logits,
                Mat::rows(&rows, width),
                1.0,
                true,
            );
        }
    }
    for buffer in [logits, rows, d_rows] {
        workspace.give(buffer);
    }
    sum
}

/// The loss of one row of logits, which become `weight` times their gradient.
fn row_loss(row: &mut [f32], token: usize, weight: f32) -> f32 {
    let logit = row[token];
    let (greatest, sum) = exponentials(row);
    scale(row, weight / sum);
    row[token] -= weight;
    sum.ln() + greatest - logit
}

/// Replaces values by their exponentials relative to the greatest; answers the greatest and the sum.
pub(crate) fn exponentials(values: &mut [f32]) -> (f32, f32) {
    const LANES: usize = 16;
    let mut tops = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for lane in 0..LANES {
            tops[lane] = if chunk[lane] > tops[lane] { chunk[lane] } else { tops[lane] };
        }
    }
    let greatest = tops.into_iter().fold(rest, f32::max);
    let mut sums = [0.0f32; LANES];
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - greatest);
            sums[lane] += chunk[lane];
        }
    }
    let mut sum = 0.0;
    for value in chunks.into_remainder() {
        *value = exp(*value - greatest);
        sum += *value;
    }
    (greatest, sum + sums.iter().sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_its_loss_and_its_gradient() {
        let mut row: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let logits = row.clone();
        let loss = row_loss(&mut row, 5, 0.5);
        let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        let expected = sum.ln() - f64::from(logits[5]);
        assert!((f64::from(loss) - expected).abs() < 1e-6);
        for (index, (gradient, logit)) in row.iter().zip(&logits).enumerate() {
            let probability = f64::from(*logit).exp() / sum;
            let expected = 0.5 * (probability - f64::from(u8::from(index == 5)));
            assert!((f64::from(*gradient) - expected).abs() < 1e-6, "{index}");
        }
    }
}
