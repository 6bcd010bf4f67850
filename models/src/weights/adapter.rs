//! Low-rank adapters in Hugging Face's (PEFT's) layout.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::content_hash::ContentHash;
use crate::error::{Error, Result};

/// A projection that an adapter can change, under PEFT's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// The query projection.
    QProj,
    /// The key projection.
    KProj,
    /// The value projection.
    VProj,
    /// The attention's output projection.
    OProj,
    /// The feed-forward gate.
    GateProj,
    /// The feed-forward's widening projection.
    UpProj,
    /// The feed-forward's narrowing projection.
    DownProj,
}

impl Module {
    /// All of them, in the order of the computation.
    pub const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];

    /// PEFT's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QProj => "q_proj",
            Self::KProj => "k_proj",
            Self::VProj => "v_proj",
            Self::OProj => "o_proj",
            Self::GateProj => "gate_proj",
            Self::UpProj => "up_proj",
            Self::DownProj => "down_proj",
        }
    }

    /// The block of a layer that the projection stands in, as tensors' names have it.
    pub const fn parent(self) -> &'static str {
        match self {
            Self::QProj | Self::KProj | Self::VProj | Self::OProj => "self_attn",
            Self::GateProj | Self::UpProj | Self::DownProj => "mlp",
        }
    }

    /// The shape of the projection's weight: (outputs, inputs).
    pub const fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (hidden, inter) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::QProj => (config.query_size(), hidden),
            Self::KProj | Self::VProj => (config.key_value_size(), hidden),
            Self::OProj => (hidden, config.query_size()),
            Self::GateProj | Self::UpProj => (inter, hidden),
            Self::DownProj => (hidden, inter),
        }
    }

    /// The name of the projection's weight in layer `layer` of a Hugging Face model.
    pub fn tensor_name(self, layer: usize) -> String {
        format!("model.layers.{layer}.{}.{}.weight", self.parent(), self.name())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Module {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|module| module.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::Argument(format!("`{name}` is no projection of a block; they are {known}"))
        })
    }
}

/// One adapted projection: `W + alpha / rank · B A`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraMatrix {
    /// The layer, from 0.
    pub layer: usize,
    /// Which projection of the layer.
    pub module: Module,
    /// `A`, `[rank, inputs]`, row-major.
    pub a: Vec<f32>,
    /// `B`, `[outputs, rank]`, row-major.
    pub b: Vec<f32>,
}

/// The weights of a low-rank adapter, in Hugging Face's row order for every family.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraWeights {
    /// The content hash of the model that it was trained on.
    pub base: ContentHash,
    /// The inner dimension of every pair.
    pub rank: usize,
    /// The scale's numerator: a pair contributes `alpha / rank · B A`.
    pub alpha: f32,
    /// The adapted projections; each (layer, module) at most once.
    pub layers: Vec<LoraMatrix>,
}

impl LoraWeights {
    /// The factor that `B A` is multiplied by.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    /// Checks every shape against a model's configuration, and that all values are finite.
    pub fn validate(&self, config: &ModelConfig) -> Result<()> {
        let refuse = |reason: String| Err(Error::Argument(format!("adapter: {reason}")));
        if self.rank == 0 || self.rank > config.hidden_size.max(config.intermediate_size) {
            return refuse(format!("rank {} is not between 1 and the model's width", self.rank));
        }
        if !self.alpha.is_finite() {
            return refuse(format!("alpha is {}", self.alpha));
        }
        let mut seen = HashSet::new();
        for LoraMatrix { layer, module, a, b } in &self.layers {
            if *layer >= config.num_hidden_layers {
                return refuse(format!(
                    "layer {layer} does not exist in a model of {} layers",
                    config.num_hidden_layers
                ));
            }
            if !seen.insert((*layer, *module)) {
                return refuse(format!("layer {layer} has {module} twice"));
            }
            let (outputs, inputs) = module.shape(config);
            if a.len() != self.rank * inputs || b.len() != outputs * self.rank {
                return refuse(format!(
                    "layer {layer} {module} has {} and {} values where [{}, {inputs}] and [{outputs}, {}] belong",
                    a.len(),
                    b.len(),
                    self.rank,
                    self.rank
                ));
            }
            if !a.iter().chain(b).all(|value| value.is_finite()) {
                return refuse(format!("layer {layer} {module} holds a value that is not finite"));
            }
        }
        Ok(())
    }
}
