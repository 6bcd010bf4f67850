//! Gradients against finite differences of the loss, for every family and every kind of parameter.

use std::sync::atomic::AtomicBool;

use hyprstream_models::{Architecture, ModelConfig, Module};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::dropout::Dropout;
use crate::lora::{Adapter, LoraConfig};
use crate::network::{AdapterView, Gradients, Network};
use crate::options::{Example, Precision};
use crate::shards::Shards;
use crate::weights::{BaseWeights, gaussian};

static GO_ON: AtomicBool = AtomicBool::new(false);

pub(crate) fn small_config(architecture: Architecture, tied: bool) -> ModelConfig {
    ModelConfig {
        architecture,
        vocab_size: 61,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: None,
        tie_word_embeddings: tied,
        attention_bias: architecture == Architecture::Qwen2,
        max_position_embeddings: 256,
        bos_token_id: None,
        eos_token_ids: vec![0],
    }
}

/// Weights large enough that every part of the network matters, biases and norms drawn too.
pub(crate) fn lively(config: &ModelConfig, seed: u64) -> BaseWeights {
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

pub(crate) fn examples() -> Vec<Example> {
    let sequence = |len: u32, seed: u32, completion_start: usize| Example {
        tokens: (0..len).map(|i| (i * i * 7 + seed * 13 + i) % 61).collect(),
        completion_start,
    };
    // One is longer than an attention block.
    vec![sequence(9, 1, 4), sequence(75, 2, 1), sequence(2, 3, 0), sequence(20, 4, 11)]
}

fn pairs() -> Vec<(Vec<u32>, Vec<u32>)> {
    let sequence =
        |len: u32, seed: u32| -> Vec<u32> { (0..len).map(|i| (i * i * 5 + seed * 17 + i) % 61).collect() };
    vec![
        (sequence(5, 1), sequence(9, 2)),
        (sequence(7, 3), sequence(4, 4)),
        (sequence(12, 5), sequence(3, 6)),
    ]
}

/// A drawn adapter, B included.
pub(crate) fn drawn_adapter(config: &LoraConfig, base: &BaseWeights) -> Adapter {
    let mut adapter = Adapter::fresh(config, &base.dims, 5);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    adapter.tensors_mut().into_iter().flatten().for_each(|value| *value = 0.2 * gaussian(&mut rng));
    adapter
}

/// The part of the loss a test looks at.
#[derive(Clone, Copy, PartialEq)]
enum Objective {
    Language,
    Contrastive,
}

struct Setting {
    base: BaseWeights,
    adapter: Option<(Adapter, LoraConfig)>,
    objective: Objective,
    dropout: f32,
}

impl Setting {
    /// The network of a shard, whose mask is the same in every call.
    fn network(&self, shard: usize) -> Network<'_> {
        let adapter = self.adapter.as_ref().map(|(pairs, config)| AdapterView {
            pairs,
            rank: config.rank,
            scale: config.scale(),
        });
        Network {
            base: &self.base,
            adapter,
            dropout: Dropout::new(self.dropout, 7, 3, shard),
            cancel: &GO_ON,
        }
    }

    /// The loss and the gradients of everything.
    fn run(&self) -> (f64, Gradients) {
        let adapter = self.adapter.as_ref().map(|(pairs, _)| pairs.zeros_like());
        let zeros = Gradients { adapter, weights: Some(self.base.weights.zeros_like()) };
        let mut shards = Shards::try_new(1, 2, Precision::F32, &zeros).unwrap();
        let loss = match self.objective {
            Objective::Language => {
                let examples = examples();
                let examples: Vec<&Example> = examples.iter().collect();
                let sum = shards.language(|shard| self.network(shard), &examples, &[]).unwrap();
                sum.loss / sum.targets as f64
            }
            Objective::Contrastive => shards.contrastive(self.network(0), &pairs(), 0.3, 1.0).unwrap().loss,
        };
        shards.reduce();
        (loss, shards.sum().clone())
    }

    fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        let adapter = self.adapter.iter_mut().flat_map(|(pairs, _)| pairs.tensors_mut());
        adapter.chain(self.base.weights.tensors_mut()).collect()
    }
}

/// In each tensor, moves all parameters along a drawn direction of ±1 and compares the loss's change with the
/// gradient's projection on it.
fn assert_gradients(mut setting: Setting) {
    let (_, gradients) = setting.run();
    let gradients: Vec<Vec<f32>> = gradients.tensors().into_iter().map(<[f32]>::to_vec).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut checked = 0;
    for (index, gradient) in gradients.iter().enumerate() {
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-7 {
            continue;
        }
        // Half along the gradient, half drawn, so that the projection is never lost in rounding.
        let direction: Vec<f64> = gradient
            .iter()
            .map(|g| {
                f64::from(*g) / norm
                    + 0.5 * f64::from(rng.random_range(-1.0f32..1.0)) / (gradient.len() as f64).sqrt()
            })
            .collect();
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
        let original = setting.parameters_mut()[index].to_vec();
        let mut at = |distance: f64| {
            let moved =
                original.iter().zip(&direction).map(|(value, d)| (f64::from(*value) + distance * d) as f32);
            setting.parameters_mut()[index].iter_mut().zip(moved).for_each(|(value, moved)| *value = moved);
            setting.run().0
        };
        // The fourth-order central difference. A large distance errs by curvature and a small one by rounding;
        // which of them serves depends on the tensor.
        let errors = [0.02, 0.01, 0.004, 0.002].map(|h| {
            let measured = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            (measured - expected).abs() / expected.abs()
        });
        at(0.0);
        let error = errors.into_iter().fold(f64::MAX, f64::min);
        assert!(error < 1e-3, "tensor {index}: gradient {expected}, errors {errors:?}");
        checked += 1;
    }
    assert!(
        checked * 10 >= gradients.len() * 9,
        "only {checked} of {} tensors have a gradient",
        gradients.len()
    );
}

fn setting(architecture: Architecture, tied: bool, lora: bool, objective: Objective) -> Setting {
    let base = lively(&small_config(architecture, tied), 3);
    let config = LoraConfig { rank: 3, alpha: 5.0, ..LoraConfig::default() };
    let adapter = lora.then(|| (drawn_adapter(&config, &base), config));
    Setting { base, adapter, objective, dropout: 0.0 }
}

#[test]
fn llama_gradients_are_the_differences_of_the_loss() {
    assert_gradients(setting(Architecture::Llama, false, true, Objective::Language));
}

#[test]
fn qwen2_gradients_are_the_differences_of_the_loss() {
    assert_gradients(setting(Architecture::Qwen2, false, true, Objective::Language));
}

#[test]
fn qwen3_gradients_are_the_differences_of_the_loss() {
    assert_gradients(setting(Architecture::Qwen3, true, true, Objective::Language));
}

#[test]
fn gradients_without_an_adapter_are_the_differences_of_the_loss() {
    assert_gradients(setting(Architecture::Qwen3, true, false, Objective::Language));
}

#[test]
fn contrastive_gradients_are_the_differences_of_the_loss() {
    assert_gradients(setting(Architecture::Qwen3, true, false, Objective::Contrastive));
    assert_gradients(setting(Architecture::Llama, true, true, Objective::Contrastive));
}

#[test]
fn gradients_behind_a_mask_of_dropout_are_the_differences_of_the_loss() {
    let whole = setting(Architecture::Qwen3, true, true, Objective::Language);
    let mut dropping = setting(Architecture::Qwen3, true, true, Objective::Language);
    dropping.dropout = 0.4;
    assert!((dropping.run().0 - whole.run().0).abs() > 1e-3);
    assert_gradients(dropping);
}

#[test]
fn an_adapter_alone_has_the_same_gradients_as_beside_full_training() {
    let setting = setting(Architecture::Qwen2, false, true, Objective::Language);
    let (_, both) = setting.run();
    let zeros =
        Gradients { adapter: setting.adapter.as_ref().map(|(pairs, _)| pairs.zeros_like()), weights: None };
    let mut shards = Shards::try_new(1, 2, Precision::F32, &zeros).unwrap();
    let examples = examples();
    shards.language(|shard| setting.network(shard), &examples.iter().collect::<Vec<_>>(), &[]).unwrap();
    shards.reduce();
    let alone = shards.sum().adapter.as_ref().unwrap();
    assert_eq!(alone.tensors(), both.adapter.as_ref().unwrap().tensors());
}

#[test]
fn modules_that_are_not_adapted_have_no_pairs() {
    let base = lively(&small_config(Architecture::Llama, true), 3);
    let config =
        LoraConfig { target_modules: vec![Module::VProj, Module::DownProj], ..LoraConfig::default() };
    let adapter = Adapter::fresh(&config, &base.dims, 1);
    assert_eq!(adapter.tensors().len(), 2 * 2 * 2);
    assert!(adapter.layers[1][Module::VProj as usize].is_some() && adapter.layers[0][0].is_none());
}
