//! What a step computes with: a model, perhaps under an adapter.

use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_models::ModelConfig;

use crate::adapter::Adapter;
use crate::error::{Error, Result};
use crate::kernels::Mat;
use crate::model::{BIASES, BaseWeights, PROJECTIONS};
use crate::network::dropout::Dropout;
use crate::network::linear::{Linear, LowRank};

/// A model, perhaps under an adapter, for the length of a step.
#[derive(Clone, Copy)]
pub struct Network<'a> {
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
    /// The model alone. A pass ends with [`Error::Cancelled`] soon after `cancel` is set.
    pub fn new(base: &'a BaseWeights, cancel: &'a AtomicBool) -> Self {
        Self { base, adapter: None, dropout: None, cancel }
    }

    /// The configuration of the model.
    pub fn config(&self) -> &'a ModelConfig {
        self.base.config()
    }

    pub(crate) fn linear(&self, layer: usize, module: usize) -> Linear<'a> {
        let (_, columns) = self.base.dims.projection(module);
        let weights = &self.base.weights.layers[layer];
        let lora = self.adapter.and_then(|AdapterView { pairs, rank, scale }| {
            let pair = pairs.layers[layer][module].as_ref()?;
            let mask = self.dropout.map(|dropout| dropout.mask(layer, module));
            Some(LowRank { a: Mat::new(&pair.a, columns), b: Mat::new(&pair.b, rank), scale, mask })
        });
        // Only q, k and v have biases, the first three projections.
        let bias = weights[BIASES..PROJECTIONS].get(module).map_or(&[][..], Vec::as_slice);
        Linear { weight: Mat::new(&weights[PROJECTIONS + module], columns), bias, lora }
    }

    /// An error once the caller wants to stop.
    pub(crate) fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
