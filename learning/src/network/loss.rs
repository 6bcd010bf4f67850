//! Cross-entropy over the target rows, in chunks of rows so that the whole matrix of logits never exists.

use crate::kernels::{Mat, MatMut, Store, exponentials, scale};
use crate::network::adapted::Network;
use crate::network::gradients::Gradients;
use crate::network::pack::Target;
use crate::network::workspace::Workspace;

/// The gradient side of [`cross_entropy`].
pub(crate) struct LossGradient<'a> {
    /// The gradient of the hidden rows; those that predict a target are overwritten.
    pub(crate) d_hidden: &'a mut [f32],
    pub(crate) gradients: &'a mut Gradients,
    /// What each target's loss is multiplied by.
    pub(crate) weights: &'a [f32],
}

/// The sum over `targets` of the negative logarithm of the token's probability, in nats.
pub(crate) fn cross_entropy(
    network: Network<'_>,
    hidden: &[f32],
    targets: &[Target],
    mut gradient: Option<LossGradient<'_>>,
    workspace: &mut Workspace,
) -> f64 {
    const LOGITS: usize = 1 << 20;
    let (vocab, width) = (network.base.dims.vocab, network.base.dims.hidden);
    let chunk = (LOGITS / vocab).clamp(16, 512).min(targets.len().max(1));
    let head = Mat::new(network.base.head(), width);
    let mut logits = workspace.take(chunk * vocab);
    let mut rows = workspace.take(chunk * width);
    let mut d_rows = workspace.take(chunk * width);
    let mut sum = 0.0;
    for (part, targets) in targets.chunks(chunk).enumerate() {
        // The last chunk may be shorter than the buffers.
        let logits = &mut logits[..targets.len() * vocab];
        let rows = &mut rows[..targets.len() * width];
        for (row, target) in rows.chunks_exact_mut(width).zip(targets) {
            row.copy_from_slice(&hidden[target.row * width..][..width]);
        }
        let rows = Mat::new(rows, width);
        workspace.multiply(MatMut::new(logits, vocab), Store::Overwrite, 1.0, rows, head.transposed());
        let weights = gradient.as_ref().map(|gradient| &gradient.weights[part * chunk..]);
        for (index, (row, target)) in logits.chunks_exact_mut(vocab).zip(targets).enumerate() {
            let weight = weights.map_or(0.0, |weights| weights[index]);
            sum += f64::from(row_loss(row, target.token as usize, weight));
        }
        let Some(gradient) = &mut gradient else { continue };
        let d_logits = Mat::new(logits, vocab);
        let d_rows = &mut d_rows[..targets.len() * width];
        workspace.multiply(MatMut::new(d_rows, width), Store::Overwrite, 1.0, d_logits, head);
        for (row, target) in d_rows.chunks_exact(width).zip(targets) {
            gradient.d_hidden[target.row * width..][..width].copy_from_slice(row);
        }
        if let Some(weights) = &mut gradient.gradients.weights {
            let d_head = if weights.head.is_empty() { &mut weights.embedding } else { &mut weights.head };
            workspace.multiply(MatMut::new(d_head, width), Store::Add, 1.0, d_logits.transposed(), rows);
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
