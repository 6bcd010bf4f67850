//! What a step computes with, and where its gradients go.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dropout::Dropout;
use crate::error::{Error, Result};
use crate::linear::{Linear, LinearGradient, Low};
use crate::lora::Adapter;
use crate::weights::{BaseWeights, Weights};

/// A model, perhaps under an adapter, for the length of a step.
#[derive(Clone, Copy)]
pub(crate) struct Network<'a> {
    pub(crate) base: &'a BaseWeights,
    pub(crate) adapter: Option<AdapterView<'a>>,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) cancel: &'a AtomicBool,
}

/// An adapter with its constants.
#[derive(Clone, Copy)]
pub(crate) struct AdapterView<'a> {
    pub(crate) pairs: &'a Adapter,
    pub(crate) rank: usize,
    pub(crate) scale: f32,
}

impl<'a> Network<'a> {
    pub(crate) fn linear(&self, layer: usize, module: usize) -> Linear<'a> {
        let (rows, columns) = self.base.dims.projection(module);
        let weights = &self.base.weights.layers[layer];
        let lora = self.adapter.and_then(|AdapterView { pairs, rank, scale }| {
            let pair = pairs.layers[layer][module].as_ref()?;
            Some(Low { pair, rank, scale, mask: self.dropout.map(|dropout| dropout.mask(layer, module)) })
        });
        let bias = weights.biases.get(module).map_or(&[][..], Vec::as_slice);
        Linear { rows, columns, weight: &weights.projections[module], bias, lora }
    }

    /// An error once the caller wants to stop.
    pub(crate) fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// The gradients of a shard: of an adapter, of all weights, or of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gradients {
    pub(crate) adapter: Option<Adapter>,
    pub(crate) weights: Option<Weights>,
}

impl Gradients {
    pub(crate) fn tensors(&self) -> Vec<&[f32]> {
        let adapter = self.adapter.iter().flat_map(Adapter::tensors);
        adapter.chain(self.weights.iter().flat_map(Weights::tensors)).collect()
    }

    pub(crate) fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        let adapter = self.adapter.iter_mut().flat_map(Adapter::tensors_mut);
        adapter.chain(self.weights.iter_mut().flat_map(Weights::tensors_mut)).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.tensors_mut().into_iter().for_each(|tensor| tensor.fill(0.0));
    }

    /// The places of one projection's gradients.
    pub(crate) fn linear(&mut self, layer: usize, module: usize) -> LinearGradient<'_> {
        let lora = self.adapter.as_mut().and_then(|adapter| adapter.layers[layer][module].as_mut());
        let Some(weights) = &mut self.weights else {
            return LinearGradient { lora, ..LinearGradient::default() };
        };
        let weights = &mut weights.layers[layer];
        let bias = weights.biases.get_mut(module).filter(|bias| !bias.is_empty());
        LinearGradient {
            weight: Some(&mut weights.projections[module]),
            bias: bias.map(Vec::as_mut_slice),
            lora,
        }
    }
}
