//! `AdamW` (1711.05101): moments of the gradient, decay apart from it, clipping by the global norm.

use rayon::prelude::*;

use crate::error::Result;
use crate::kernels::square_sum;
use crate::limits::within;

/// Elements a task takes; sums are made per chunk and added in order, so they do not depend on the threads.
const CHUNK: usize = 1 << 15;

/// The optimiser: `AdamW` with decoupled weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamOptions {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// The gradient is scaled down to this norm when it is longer; 0 turns clipping off.
    pub max_grad_norm: f32,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0 }
    }
}

impl AdamOptions {
    /// Refuses values that no optimiser can work with.
    pub fn validate(&self) -> Result<()> {
        within("adam_beta1", self.beta1, 0.0, 0.999_999)?;
        within("adam_beta2", self.beta2, 0.0, 0.999_999_9)?;
        within("adam_epsilon", self.epsilon, 1e-30, 1.0)?;
        within("weight_decay", self.weight_decay, 0.0, 10.0)?;
        within("max_grad_norm", self.max_grad_norm, 0.0, f32::MAX)
    }
}

/// How a tensor is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By `AdamW`, with weight decay.
    Decayed,
    /// By `AdamW`, without weight decay.
    Undecayed,
    /// Not at all: another optimiser updates it, which may keep its momentum in the first moment.
    Skipped,
}

/// One update of a run.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// The number of the update, from 1.
    pub step: usize,
    /// The learning rate.
    pub learning_rate: f32,
    /// The norm of all gradients together, before clipping.
    pub grad_norm: f32,
}

/// The moments of a list of tensors.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// The mean of the gradients, a tensor each.
    pub first: Vec<Vec<f32>>,
    /// The mean of the squared gradients, a tensor each.
    pub second: Vec<Vec<f32>>,
}

impl AdamW {
    /// Moments of zero for these tensors.
    pub fn new(tensors: &[&[f32]]) -> Self {
        let zeros = || tensors.iter().map(|tensor| vec![0.0; tensor.len()]).collect();
        Self { first: zeros(), second: zeros() }
    }

    /// Updates `parameters`, each by its rule.
    pub fn update(
        &mut self,
        parameters: Vec<&mut [f32]>,
        gradients: &[&[f32]],
        rules: &[Rule],
        options: &AdamOptions,
        update: Update,
    ) {
        let decayed = Constants::new(options, update);
        let undecayed = Constants { decay: 0.0, ..decayed };
        let tensors =
            parameters.into_iter().zip(gradients).zip(&mut self.first).zip(&mut self.second).zip(rules);
        for ((((parameter, gradient), first), second), rule) in tensors {
            let constants = match rule {
                Rule::Decayed => decayed,
                Rule::Undecayed => undecayed,
                Rule::Skipped => continue,
            };
            let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
            let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
            chunks.for_each(|(((parameter, gradient), first), second)| {
                constants.apply(parameter, gradient, first, second);
            });
        }
    }
}

/// The constants of one update.
#[derive(Clone, Copy)]
struct Constants {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decay: f32,
    rate: f32,
    /// One over the bias corrections.
    first_correction: f32,
    second_correction: f32,
    clip: f32,
}

impl Constants {
    fn new(options: &AdamOptions, Update { step, learning_rate, grad_norm }: Update) -> Self {
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(step as i32))) as f32;
        let clips = options.max_grad_norm > 0.0 && grad_norm > options.max_grad_norm;
        Self {
            beta1: options.beta1,
            beta2: options.beta2,
            epsilon: options.epsilon,
            decay: options.weight_decay * learning_rate,
            rate: learning_rate,
            first_correction: correction(options.beta1),
            second_correction: correction(options.beta2),
            clip: if clips { options.max_grad_norm / grad_norm } else { 1.0 },
        }
    }

    fn apply(self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        for (((parameter, gradient), first), second) in
            parameter.iter_mut().zip(gradient).zip(first).zip(second)
        {
            let gradient = gradient * self.clip;
            *first = self.beta1 * *first + (1.0 - self.beta1) * gradient;
            *second = self.beta2 * *second + (1.0 - self.beta2) * gradient * gradient;
            let root = (*second * self.second_correction).sqrt() + self.epsilon;
            *parameter -= self.decay * *parameter + self.rate * (*first * self.first_correction) / root;
        }
    }
}

/// The Euclidean norm of all tensors together.
pub fn global_norm(tensors: &[&[f32]]) -> f32 {
    let sums: Vec<f64> = tensors
        .par_iter()
        .flat_map_iter(|tensor| tensor.chunks(CHUNK).map(|chunk| f64::from(square_sum(chunk))))
        .collect();
    sums.iter().sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_update_moves_by_the_learning_rate_against_the_gradient() {
        let mut parameter = vec![1.0f32, -2.0];
        let gradient = [0.3f32, -0.7];
        let mut adam = AdamW::new(&[&parameter]);
        let options = AdamOptions { weight_decay: 0.1, max_grad_norm: 0.0, ..AdamOptions::default() };
        let update = Update { step: 1, learning_rate: 0.01, grad_norm: 1.0 };
        adam.update(vec![&mut parameter], &[&gradient], &[Rule::Decayed], &options, update);
        assert!((parameter[0] - (1.0 - 0.001 - 0.01)).abs() < 1e-6);
        assert!((parameter[1] - (-2.0 + 0.002 + 0.01)).abs() < 1e-6);
    }

    #[test]
    fn the_norm_is_that_of_all_tensors() {
        assert!((global_norm(&[&[3.0], &[0.0, 4.0]]) - 5.0).abs() < 1e-6);
    }
}
