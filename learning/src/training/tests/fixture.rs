//! A model small enough for differences, with every part of it in use.

use std::sync::atomic::AtomicBool;

use hyprstream_models::{Architecture, ModelConfig};
use hyprstream_models_testing::random;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::adapter::{Adapter, LoraConfig};
use crate::model::{BaseWeights, Tensors, gaussian};
use crate::network::Example;

pub(super) static GO_ON: AtomicBool = AtomicBool::new(false);

pub(super) fn small_config(architecture: Architecture, tied: bool) -> ModelConfig {
    ModelConfig {
        vocab_size: 61,
        hidden_size: 24,
        intermediate_size: 40,
        head_dim: 8,
        tie_word_embeddings: tied,
        eos_token_ids: vec![0],
        ..random::small_config(architecture)
    }
}

/// Weights large enough that every part of the network matters, biases and norms drawn too.
pub(super) fn lively(config: &ModelConfig, seed: u64) -> BaseWeights {
    let mut base = BaseWeights::random(config, seed).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed + 1);
    let width = config.hidden_size as f32;
    for tensor in base.weights.tensors_mut() {
        let matrix = tensor.len() > 64;
        for value in tensor {
            let drawn = gaussian(&mut rng);
            *value = if matrix { drawn / width.sqrt() } else { *value + 0.2 * drawn };
        }
    }
    base
}

pub(super) fn examples() -> Vec<Example> {
    let sequence = |len: u32, seed: u32, completion_start: usize| Example {
        tokens: (0..len).map(|i| (i * i * 7 + seed * 13 + i) % 61).collect(),
        completion_start,
    };
    // One is longer than an attention block.
    vec![sequence(9, 1, 4), sequence(75, 2, 1), sequence(2, 3, 0), sequence(20, 4, 11)]
}

/// A drawn adapter, B included.
pub(super) fn drawn_adapter(config: &LoraConfig, base: &BaseWeights) -> Adapter {
    let mut adapter = Adapter::fresh(config, &base.dims, 5);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    adapter.tensors_mut().into_iter().flatten().for_each(|value| *value = 0.2 * gaussian(&mut rng));
    adapter
}
