//! Gradients against finite differences of the loss, for every family and every kind of parameter.

use hyprstream_models::{Architecture, Module};
use hyprstream_models_testing::gradients::{Differentiable, assert_gradients};

use crate::adapter::{Adapter, LoraConfig};
use crate::kernels::Precision;
use crate::model::{BaseWeights, Tensors};
use crate::network::{AdapterView, Dropout, Example, Gradients, Network};
use crate::training::shards::{Pass, Shards};
use crate::training::tests::fixture::{GO_ON, drawn_adapter, examples, lively, small_config};

/// The part of the loss a test looks at.
#[derive(Clone, Copy, PartialEq)]
enum Objective {
    Language,
    /// Of the final hidden states of some sequences.
    Hidden,
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
    fn loss_and_gradients(&self) -> (f64, Gradients) {
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
            Objective::Hidden => self.run_hidden(&mut shards),
        };
        shards.reduce();
        (loss, shards.sum().clone())
    }

    /// A sum of weighted squares of the hidden states, whose gradient is as simple.
    fn run_hidden(&self, shards: &mut Shards) -> f64 {
        let examples = examples();
        let sequences: Vec<&[u32]> = examples.iter().map(|example| example.tokens.as_slice()).collect();
        let weight = |index: usize| ((index * 37 % 11) as f32 - 4.0) * 0.01;
        let passes = shards.forward(self.network(0), &sequences).unwrap();
        let hidden = passes.iter().flat_map(|pass| pass.hidden().iter().enumerate());
        let loss = hidden.map(|(index, h)| f64::from(weight(index)) * f64::from(*h).powi(2)).sum();
        let write = |pass: &Pass, d_hidden: &mut [f32]| {
            for (index, (d, h)) in d_hidden.iter_mut().zip(pass.hidden()).enumerate() {
                *d = 2.0 * weight(index) * h;
            }
        };
        shards.backward(self.network(0), passes, write).unwrap();
        loss
    }
}

impl Differentiable for Setting {
    fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        let adapter = self.adapter.iter_mut().flat_map(|(pairs, _)| pairs.tensors_mut());
        adapter.chain(self.base.weights.tensors_mut()).collect()
    }

    fn run(&mut self) -> (f64, Vec<Vec<f32>>) {
        let (loss, gradients) = self.loss_and_gradients();
        (loss, gradients.tensors().into_iter().map(<[f32]>::to_vec).collect())
    }
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
fn gradients_of_a_loss_of_hidden_states_are_its_differences() {
    assert_gradients(setting(Architecture::Qwen3, true, false, Objective::Hidden));
    assert_gradients(setting(Architecture::Llama, true, true, Objective::Hidden));
}

#[test]
fn gradients_behind_a_mask_of_dropout_are_the_differences_of_the_loss() {
    let whole = setting(Architecture::Qwen3, true, true, Objective::Language);
    let mut dropping = setting(Architecture::Qwen3, true, true, Objective::Language);
    dropping.dropout = 0.4;
    assert!((dropping.loss_and_gradients().0 - whole.loss_and_gradients().0).abs() > 1e-3);
    assert_gradients(dropping);
}

#[test]
fn an_adapter_alone_has_the_same_gradients_as_beside_full_training() {
    let setting = setting(Architecture::Qwen2, false, true, Objective::Language);
    let (_, both) = setting.loss_and_gradients();
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
