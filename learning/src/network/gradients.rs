//! Where the gradients of a step go.

use crate::adapter::Adapter;
use crate::model::{BIASES, BaseWeights, PROJECTIONS, Tensors, Weights};
use crate::network::linear::LinearGradient;

/// The gradients of a shard: of an adapter, of all weights, or of both.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    pub(crate) adapter: Option<Adapter>,
    pub(crate) weights: Option<Weights>,
}

impl Tensors for Gradients {
    fn tensors(&self) -> Vec<&[f32]> {
        let adapter = self.adapter.iter().flat_map(Adapter::tensors);
        adapter.chain(self.weights.iter().flat_map(Weights::tensors)).collect()
    }

    fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        let adapter = self.adapter.iter_mut().flat_map(Adapter::tensors_mut);
        adapter.chain(self.weights.iter_mut().flat_map(Weights::tensors_mut)).collect()
    }
}

impl Gradients {
    /// Zeros for all weights of a model, in the order of [`BaseWeights::tensors`].
    pub fn zeros_for(base: &BaseWeights) -> Self {
        Self { adapter: None, weights: Some(base.weights.zeros_like()) }
    }

    /// The gradients of one projection, to be added to.
    pub(crate) fn linear(&mut self, layer: usize, module: usize) -> LinearGradient<'_> {
        let lora = self.adapter.as_mut().and_then(|adapter| adapter.layers[layer][module].as_mut());
        let Some(weights) = &mut self.weights else {
            return LinearGradient { lora, ..LinearGradient::default() };
        };
        let (rest, projections) = weights.layers[layer].split_at_mut(PROJECTIONS);
        let bias = rest[BIASES..].get_mut(module).filter(|bias| !bias.is_empty());
        LinearGradient { weight: Some(&mut projections[module]), bias: bias.map(Vec::as_mut_slice), lora }
    }

    /// The gradient of a norm's weight, in the layer's numbering, when all weights are trained.
    pub(crate) fn norm(&mut self, layer: usize, index: usize) -> Option<&mut [f32]> {
        self.weights.as_mut().map(|weights| weights.layers[layer][index].as_mut_slice())
    }
}
