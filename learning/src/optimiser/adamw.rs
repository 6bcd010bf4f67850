//! `AdamW` (1711.05101): moments of the gradient, decay apart from it, clipping by the global norm. Matrices may be
//! left to Muon.

use rayon::prelude::*;

use crate::muon;
use crate::options::AdamOptions;

/// Elements a task takes; sums are made per chunk and added in order, so they do not depend on the threads.
const CHUNK: usize = 1 << 15;

/// How a tensor is updated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Adam { decays: bool },
    Muon { rows: usize, columns: usize },
}

/// The moments of a list of tensors. Muon keeps its momentum in the first and leaves the second at zero.
#[derive(Clone, Debug)]
pub(crate) struct AdamW {
    pub(crate) first: Vec<Vec<f32>>,
    pub(crate) second: Vec<Vec<f32>>,
}

/// The constants of one update.
#[derive(Clone, Copy)]
struct Update {
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

impl AdamW {
    pub(crate) fn new(tensors: &[&[f32]]) -> Self {
        let zeros = || tensors.iter().map(|tensor| vec![0.0; tensor.len()]).collect();
        Self { first: zeros(), second: zeros() }
    }

    /// Applies update number `step` (from 1). `rules` says how each tensor is updated.
    pub(crate) fn update(
        &mut self,
        parameters: Vec<&mut [f32]>,
        gradients: &[&[f32]],
        rules: &[Rule],
        options: &AdamOptions,
        (rate, step, norm): (f32, usize, f32),
    ) {
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(step as i32))) as f32;
        let clips = options.max_grad_norm > 0.0 && norm > options.max_grad_norm;
        let update = Update {
            beta1: options.beta1,
            beta2: options.beta2,
            epsilon: options.epsilon,
            decay: 0.0,
            rate,
            first_correction: correction(options.beta1),
            second_correction: correction(options.beta2),
            clip: if clips { options.max_grad_norm / norm } else { 1.0 },
        };
        let tensors =
            parameters.into_iter().zip(gradients).zip(&mut self.first).zip(&mut self.second).zip(rules);
        let mut matrices = Vec::new();
        for ((((parameter, gradient), first), second), rule) in tensors {
            let decays = match *rule {
                Rule::Adam { decays } => decays,
                Rule::Muon { rows, columns } => {
                    matrices.push((parameter, *gradient, first, (rows, columns)));
                    continue;
                }
            };
            let update = Update { decay: if decays { options.weight_decay * rate } else { 0.0 }, ..update };
            let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
            let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
            chunks.for_each(|(((parameter, gradient), first), second)| {
                update.apply(parameter, gradient, first, second);
            });
        }
        matrices.into_par_iter().for_each(|(parameter, gradient, momentum, shape)| {
            muon::update(parameter, gradient, momentum, shape, (rate, options.weight_decay));
        });
    }
}

impl Update {
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
pub(crate) fn global_norm(tensors: &[&[f32]]) -> f32 {
    let sums: Vec<f64> = tensors
        .par_iter()
        .flat_map_iter(|tensor| {
            tensor.chunks(CHUNK).map(|chunk| f64::from(crate::kernels::square_sum(chunk)))
        })
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
        adam.update(
            vec![&mut parameter],
            &[&gradient],
            &[Rule::Adam { decays: true }],
            &options,
            (0.01, 1, 1.0),
        );
        assert!((parameter[0] - (1.0 - 0.001 - 0.01)).abs() < 1e-6);
        assert!((parameter[1] - (-2.0 + 0.002 + 0.01)).abs() < 1e-6);
    }

    #[test]
    fn the_norm_is_that_of_all_tensors() {
        assert!((global_norm(&[&[3.0], &[0.0, 4.0]]) - 5.0).abs() < 1e-6);
    }
}
