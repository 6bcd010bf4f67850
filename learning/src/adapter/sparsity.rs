//! Sparse adapters: a mask that moves while it trains, after SET (1707.04780) and `RigL` (1911.11134).
//!
//! Each of the matrices A and B keeps at most its share of weights; the others are exactly +0.0 and get no gradient.
//! Of each row of a fresh A the largest weights are kept, so that every rank is alive. B begins at zero, as it must,
//! and its first weights are chosen by the gradient of the first step. From then on the mask moves at every
//! `interval`th step of the first three quarters of the run: the smallest weights inside are dropped, and as many
//! outside that have the largest gradient are grown, ever fewer of them.

use crate::adapter::lora::{Adapter, LoraConfig};
use crate::error::{Error, Result};
use crate::model::Tensors;
use crate::optimiser::AdamW;

/// The part of a mask that moves at first; it falls along half a cosine.
const MOVED: f64 = 0.3;
/// The part of the run after which the mask stays.
const SETTLED: f64 = 0.75;

/// Which weights of an adapter are trained, a tensor after the other as in [`Adapter::tensors`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    active: Vec<Vec<bool>>,
    /// The most weights of each tensor that may be active.
    budgets: Vec<usize>,
}

/// How far a run is, which decides whether its mask moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Steps made.
    pub(crate) steps: usize,
    /// Steps of the run.
    pub(crate) total: usize,
    /// Steps between two moves.
    pub(crate) interval: usize,
}

impl Progress {
    /// The part of the mask that moves now; `None` when it stays as it is.
    fn moved(self) -> Option<f64> {
        if self.steps == 0 {
            return Some(0.0);
        }
        let end = SETTLED * self.total as f64;
        let done = self.steps as f64 / end;
        let is_due = self.steps.is_multiple_of(self.interval) && done < 1.0;
        is_due.then(|| 0.5 * MOVED * (1.0 + (std::f64::consts::PI * done).cos()))
    }
}

impl Mask {
    /// Thins a fresh adapter. The rows of A that keep few weights keep their length.
    pub(crate) fn thin(adapter: &mut Adapter, config: &LoraConfig, sparsity: f32) -> Result<Self> {
        let mut mask = Self::empty(adapter, sparsity)?;
        for (index, tensor) in adapter.tensors_mut().into_iter().enumerate() {
            let is_b = index % 2 == 1;
            if is_b {
                continue;
            }
            let (width, budget) = (tensor.len() / config.rank, mask.budgets[index]);
            let rows = tensor.chunks_exact_mut(width).zip(mask.active[index].chunks_exact_mut(width));
            for (row, (values, active)) in rows.enumerate() {
                let kept = budget / config.rank + usize::from(row < budget % config.rank);
                keep_largest(values, active, kept);
                let square = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
                let before = square(values);
                clear_inactive(values, active);
                let after = square(values);
                if after > 0.0 {
                    let factor = (before / after).sqrt();
                    for value in values {
                        *value *= factor;
                    }
                }
            }
        }
        Ok(mask)
    }

    fn empty(adapter: &Adapter, sparsity: f32) -> Result<Self> {
        let tensors = adapter.tensors();
        let budget = |len: usize| ((1.0 - f64::from(sparsity)) * len as f64) as usize;
        if let Some(tensor) = tensors.iter().find(|tensor| budget(tensor.len()) == 0) {
            return Err(Error::argument(format!(
                "sparsity is {sparsity}; a matrix of {} weights would keep none of them",
                tensor.len()
            )));
        }
        Ok(Self {
            active: tensors.iter().map(|tensor| vec![false; tensor.len()]).collect(),
            budgets: tensors.iter().map(|tensor| budget(tensor.len())).collect(),
        })
    }

    /// Moves the mask when it is time, by the gradient of all weights. A dropped weight becomes zero and a grown one
    /// begins at zero; neither keeps moments.
    pub(crate) fn advance(
        &mut self,
        adapter: &mut Adapter,
        gradients: &[&[f32]],
        adam: &mut AdamW,
        now: Progress,
    ) {
        let Some(moved) = now.moved() else { return };
        for (index, weights) in adapter.tensors_mut().into_iter().enumerate() {
            let active = &mut self.active[index];
            let count = active.iter().filter(|active| **active).count();
            let room = self.budgets[index].saturating_sub(count);
            let wanted = room + (moved * count as f64) as usize;
            let gradient = gradients[index];
            let outside = (0..active.len()).filter(|&at| !active[at] && gradient[at] != 0.0).collect();
            let grown = first_by(outside, wanted, |&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
            let inside = (0..active.len()).filter(|&at| active[at]).collect();
            let dropped = first_by(inside, grown.len().saturating_sub(room), |&a, &b| {
                weights[a].abs().total_cmp(&weights[b].abs())
            });
            for at in dropped {
                active[at] = false;
                weights[at] = 0.0;
                adam.first[index][at] = 0.0;
                adam.second[index][at] = 0.0;
            }
            for at in grown {
                active[at] = true;
            }
        }
    }

    /// Sets the values outside the mask to zero.
    pub(crate) fn apply(&self, tensors: Vec<&mut [f32]>) {
        for (tensor, active) in tensors.into_iter().zip(&self.active) {
            clear_inactive(tensor, active);
        }
    }

    /// The mask as bits, tensor by tensor, each beginning with a byte of its own.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        let tensors = self.active.iter();
        tensors.flat_map(|active| active.chunks(8).map(byte)).collect()
    }

    /// Takes over what [`Mask::to_bytes`] gave of a mask of the same shape; says whether it fits.
    pub(crate) fn copy_from_bytes(&mut self, bytes: &[u8]) -> bool {
        let expected: usize = self.active.iter().map(|active| active.len().div_ceil(8)).sum();
        if bytes.len() != expected {
            return false;
        }
        let mut rest = bytes;
        for active in &mut self.active {
            let (own, others) = rest.split_at(active.len().div_ceil(8));
            for (at, active) in active.iter_mut().enumerate() {
                *active = own[at / 8] >> (at % 8) & 1 == 1;
            }
            rest = others;
        }
        true
    }
}

/// Marks the `count` values of largest magnitude.
fn keep_largest(values: &[f32], active: &mut [bool], count: usize) {
    let largest =
        first_by((0..values.len()).collect(), count, |&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    for at in largest {
        active[at] = true;
    }
}

fn clear_inactive(values: &mut [f32], active: &[bool]) {
    for (value, active) in values.iter_mut().zip(active) {
        if !active {
            *value = 0.0;
        }
    }
}

/// The first `count` indices by `order`, themselves in no order; of equal ones the lower counts as first.
fn first_by(
    mut indices: Vec<usize>,
    count: usize,
    order: impl Fn(&usize, &usize) -> std::cmp::Ordering,
) -> Vec<usize> {
    if count < indices.len() {
        indices.select_nth_unstable_by(count, |a, b| order(a, b).then(a.cmp(b)));
        indices.truncate(count);
    }
    indices
}

#[cfg(test)]
impl Mask {
    pub(crate) fn active(&self) -> &[Vec<bool>] {
        &self.active
    }
}
