//! Sparse runs: what the mask keeps, when it moves, and that the gradient inside it is the true one.

use std::sync::Arc;

use hyprstream_models::Architecture;

use crate::adapter::LoraConfig;
use crate::error::Error;
use crate::model::Tensors;
use crate::optimiser::AdamOptions;
use crate::training::options::TrainOptions;
use crate::training::tests::fixture::{GO_ON, examples, lively, small_config};
use crate::training::trainer::LoraTrainer;

fn options(sparsity: f32) -> TrainOptions {
    TrainOptions {
        learning_rate: 5e-3,
        epochs: 12,
        batch_size: examples().len(),
        regrow_interval: 3,
        seed: 3,
        threads: 2,
        sparsity,
        ..TrainOptions::default()
    }
}

fn trainer(options: TrainOptions) -> LoraTrainer {
    let base = Arc::new(lively(&small_config(Architecture::Qwen3, true), 1));
    let config = LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() };
    LoraTrainer::try_new(base, config, options, examples()).unwrap()
}

fn steps(trainer: &mut LoraTrainer, count: usize) {
    for _ in 0..count {
        trainer.step(&GO_ON).unwrap();
    }
}

fn bits(trainer: &LoraTrainer) -> Vec<u32> {
    let tensors = trainer.adapter.tensors();
    tensors.concat().into_iter().map(f32::to_bits).collect()
}

fn active_weights(trainer: &LoraTrainer) -> Vec<Vec<bool>> {
    trainer.mask.as_ref().unwrap().active().to_vec()
}

#[test]
fn no_matrix_exceeds_its_share_of_weights_and_the_rest_is_positive_zero() {
    let mut trainer = trainer(options(0.75));
    for step in 0..trainer.total_steps() {
        for (tensor, active) in trainer.adapter.tensors().iter().zip(active_weights(&trainer)) {
            let nonzero = tensor.iter().filter(|value| value.to_bits() != 0).count();
            assert!(nonzero <= tensor.len() / 4, "step {step}: {nonzero} of {}", tensor.len());
            let outside = tensor.iter().zip(&active).filter(|(_, active)| !**active);
            assert!(outside.into_iter().all(|(value, _)| value.to_bits() == 0), "step {step}");
            let count = active.iter().filter(|active| **active).count();
            assert!(count <= tensor.len() / 4, "step {step}");
        }
        steps(&mut trainer, 1);
    }
    let active: usize = active_weights(&trainer).iter().flatten().filter(|active| **active).count();
    let elements = bits(&trainer).len();
    assert!(active * 100 > elements * 24, "{active} of {elements} weights are used");
}

#[test]
fn a_fresh_sparse_adapter_changes_nothing_and_keeps_every_rank_of_a_alive() {
    let trainer = trainer(options(0.9));
    for (index, tensor) in trainer.adapter.tensors().iter().enumerate() {
        if index % 2 == 1 {
            assert!(tensor.iter().all(|value| value.to_bits() == 0));
            continue;
        }
        for row in tensor.chunks_exact(tensor.len() / 4) {
            assert!(row.iter().any(|value| *value != 0.0));
        }
    }
    let dense = self::trainer(options(0.0));
    let loss = |trainer: &LoraTrainer| trainer.evaluate(&examples(), &GO_ON).unwrap().to_bits();
    assert_eq!(loss(&trainer), loss(&dense));
}

#[test]
fn the_gradient_inside_the_mask_is_the_derivative_of_the_loss() {
    let mut trainer = trainer(TrainOptions {
        regrow_interval: 1000,
        adam: AdamOptions { max_grad_norm: 0.0, ..AdamOptions::default() },
        ..options(0.9)
    });
    steps(&mut trainer, 3);
    let masks = active_weights(&trainer);
    let mut square = 0.0;
    for (index, active) in masks.iter().enumerate() {
        for at in (0..active.len()).filter(|&at| active[at]) {
            let mut loss_at = |shift: f32| {
                let own = trainer.adapter.tensors()[index][at];
                trainer.adapter.tensors_mut()[index][at] = own + shift;
                let loss = trainer.evaluate(&examples(), &GO_ON).unwrap();
                trainer.adapter.tensors_mut()[index][at] = own;
                f64::from(loss)
            };
            let step = 4e-3;
            square += ((loss_at(step) - loss_at(-step)) / f64::from(2.0 * step)).powi(2);
        }
    }
    let reported = f64::from(trainer.step(&GO_ON).unwrap().grad_norm);
    let expected = square.sqrt();
    assert!((reported - expected).abs() < 0.01 * expected, "{reported} and {expected}");
}

#[test]
fn the_mask_moves_at_its_interval_and_settles_before_the_end() {
    let mut trainer = trainer(options(0.75));
    let mut moved = Vec::new();
    for step in 1..=trainer.total_steps() {
        let before = active_weights(&trainer);
        steps(&mut trainer, 1);
        if active_weights(&trainer) != before {
            moved.push(step);
        }
    }
    // B gets its active weights at the first step; three quarters of twelve steps are nine.
    assert_eq!(moved, [1, 4, 7]);
}

#[test]
fn a_sparse_run_is_the_same_for_a_seed_and_goes_on_from_its_state() {
    let mut whole = trainer(options(0.75));
    steps(&mut whole, 12);
    let mut first = trainer(TrainOptions { threads: 1, ..options(0.75) });
    steps(&mut first, 5);
    let state = first.state();
    let mut second = trainer(options(0.75));
    second.restore(&state).unwrap();
    assert_eq!(active_weights(&second), active_weights(&first));
    steps(&mut second, 7);
    assert_eq!(bits(&second), bits(&whole));
    let mut other = trainer(TrainOptions { seed: 4, ..options(0.75) });
    steps(&mut other, 12);
    assert_ne!(bits(&other), bits(&whole));
    assert!(matches!(trainer(options(0.7)).restore(&state), Err(Error::State(_))));
}

#[test]
fn a_sparsity_that_leaves_nothing_is_refused() {
    let base = Arc::new(lively(&small_config(Architecture::Qwen3, true), 1));
    for (sparsity, part) in
        [(1.0, "below 1"), (-0.1, "at least 0"), (f32::NAN, "sparsity is NaN"), (0.9999, "keep none")]
    {
        let refused =
            LoraTrainer::try_new(Arc::clone(&base), LoraConfig::default(), options(sparsity), examples());
        match refused {
            Err(Error::Argument(reason)) => assert!(reason.contains(part), "{reason}"),
            _ => panic!("{sparsity} was accepted"),
        }
    }
}
