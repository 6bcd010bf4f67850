//! Low-rank adapters (2106.09685): `y = W x + (alpha / rank) · B A x`.

use hyprstream_models::{ContentHash, LoraMatrix, LoraWeights, Module};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::limits::within;
use crate::model::{Dims, Tensors};

/// The shape of an adapter, under PEFT's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// The inner dimension of the pairs.
    pub rank: usize,
    /// The numerator of the scale alpha / rank.
    pub alpha: f32,
    /// The projections that are adapted, in every layer.
    pub target_modules: Vec<Module>,
    /// The probability with which an input of the adapter is dropped in training.
    pub dropout: f32,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, target_modules: Module::ALL.to_vec(), dropout: 0.0 }
    }
}

impl LoraConfig {
    pub(crate) fn validate(&self, dims: &Dims) -> Result<()> {
        if self.target_modules.is_empty() {
            return Err(Error::argument("target_modules is empty; name at least one projection"));
        }
        for &module in &self.target_modules {
            let (rows, columns) = dims.projection(module as usize);
            if self.rank == 0 || self.rank > rows.min(columns) {
                return Err(Error::argument(format!(
                    "r is {}; it must be between 1 and {}, the smaller side of {module} in this model",
                    self.rank,
                    rows.min(columns)
                )));
            }
        }
        within("lora_dropout", self.dropout, 0.0, 0.95)?;
        within("lora_alpha", self.alpha, -1e6, 1e6)
    }

    pub(crate) fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }
}

/// A [r, in] and B [out, r] of one projection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

/// The pairs of a layer, numbered as `Module::ALL`.
pub(crate) type LayerPairs = [Option<Pair>; 7];

/// The pairs of all layers; also their gradients and moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adapter {
    pub(crate) layers: Vec<LayerPairs>,
}

impl Adapter {
    /// PEFT's start: A uniform within 1/√in (Kaiming with a = √5), B zero, so the adapter changes nothing.
    pub(crate) fn fresh(config: &LoraConfig, dims: &Dims, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut pair = |module: usize| {
            let chosen = config.target_modules.contains(&Module::ALL[module]);
            chosen.then(|| {
                let (rows, columns) = dims.projection(module);
                let bound = 1.0 / (columns as f32).sqrt();
                let a = (0..config.rank * columns).map(|_| rng.random_range(-bound..bound)).collect();
                Pair { a, b: vec![0.0; rows * config.rank] }
            })
        };
        Self { layers: (0..dims.layers).map(|_| std::array::from_fn(&mut pair)).collect() }
    }

    /// The adapter as the rest of the system knows it.
    pub(crate) fn to_weights(&self, base: ContentHash, config: &LoraConfig) -> LoraWeights {
        let mut layers = Vec::new();
        for (layer, pairs) in self.layers.iter().enumerate() {
            for (pair, module) in pairs.iter().zip(Module::ALL) {
                if let Some(Pair { a, b }) = pair {
                    layers.push(LoraMatrix { layer, module, a: a.clone(), b: b.clone() });
                }
            }
        }
        LoraWeights { base, rank: config.rank, alpha: config.alpha, layers }
    }
}

impl Tensors for Adapter {
    /// A and B of each pair, a layer after the other.
    fn tensors(&self) -> Vec<&[f32]> {
        let pairs = self.layers.iter().flatten().flatten();
        pairs.flat_map(|pair| [pair.a.as_slice(), pair.b.as_slice()]).collect()
    }

    fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        let pairs = self.layers.iter_mut().flatten().flatten();
        pairs.flat_map(|pair| [pair.a.as_mut_slice(), pair.b.as_mut_slice()]).collect()
    }
}
