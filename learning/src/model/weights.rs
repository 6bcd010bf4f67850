//! The weights of a model in f32, and every other set of numbers of that shape: gradients and moments.

use std::sync::Arc;

use hyprstream_models::{Architecture, ContentHash, ModelConfig, TensorSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::model::dims::Dims;
use crate::model::rope::Rope;
use crate::model::tensors::Tensors;

// The tensors of a layer by number.
pub(crate) const INPUT_NORM: usize = 0;
pub(crate) const POST_NORM: usize = 1;
pub(crate) const Q_NORM: usize = 2;
pub(crate) const K_NORM: usize = 3;
/// The first of the biases, of q, k and v.
pub(crate) const BIASES: usize = 4;
/// The first of the projections, which are row-major [out, in] and numbered as `Module::ALL`.
pub(crate) const PROJECTIONS: usize = 7;

/// The tensors of a layer under their names in the model's files.
const LAYER_NAMES: [&str; 14] = [
    "input_layernorm.weight",
    "post_attention_layernorm.weight",
    "self_attn.q_norm.weight",
    "self_attn.k_norm.weight",
    "self_attn.q_proj.bias",
    "self_attn.k_proj.bias",
    "self_attn.v_proj.bias",
    "self_attn.q_proj.weight",
    "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",
    "self_attn.o_proj.weight",
    "mlp.gate_proj.weight",
    "mlp.up_proj.weight",
    "mlp.down_proj.weight",
];

/// One layer. What a family does not have is empty.
pub(crate) type LayerWeights = [Vec<f32>; LAYER_NAMES.len()];

/// All numbers of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    pub(crate) embedding: Vec<f32>,
    pub(crate) final_norm: Vec<f32>,
    /// Empty when the embedding is also the head.
    pub(crate) head: Vec<f32>,
    pub(crate) layers: Vec<LayerWeights>,
}

impl Tensors for Weights {
    /// Those that a family does not have are left out.
    fn tensors(&self) -> Vec<&[f32]> {
        let top = [&self.embedding, &self.final_norm, &self.head];
        let all = top.into_iter().chain(self.layers.iter().flatten());
        all.filter(|tensor| !tensor.is_empty()).map(Vec::as_slice).collect()
    }

    fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        let top = [&mut self.embedding, &mut self.final_norm, &mut self.head];
        let all = top.into_iter().chain(self.layers.iter_mut().flatten());
        all.filter(|tensor| !tensor.is_empty()).map(Vec::as_mut_slice).collect()
    }
}

/// The weights of a model that is trained, or on top of which an adapter is trained.
#[derive(Clone, Debug)]
pub struct BaseWeights {
    pub(crate) config: ModelConfig,
    pub(crate) dims: Dims,
    pub(crate) weights: Weights,
    pub(crate) rope: Rope,
}

impl BaseWeights {
    /// Reads a model's weights into f32, once.
    pub fn from_tensors(source: &dyn TensorSource) -> Result<Arc<Self>> {
        let mut base = Self::empty(source.config())?;
        let (config, dims) = (base.config.clone(), base.dims);
        let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
            match source.shape(name) {
                Some(found) if found == shape => Ok(source.read_f32(name)?),
                Some(found) => Err(Error::argument(format!("{name} has shape {found:?}, not {shape:?}"))),
                None => Err(Error::argument(format!("the model has no tensor {name}"))),
            }
        };
        let weights = &mut base.weights;
        weights.embedding = read("model.embed_tokens.weight", &[dims.vocab, dims.hidden])?;
        weights.final_norm = read("model.norm.weight", &[dims.hidden])?;
        if !config.tie_word_embeddings {
            weights.head = read("lm_head.weight", &[dims.vocab, dims.hidden])?;
        }
        for index in 0..dims.layers {
            let prefix = format!("model.layers.{index}.");
            if source.shape(&format!("{prefix}self_attn.o_proj.bias")).is_some() {
                return Err(Error::argument("a bias on o_proj cannot be trained over"));
            }
            let mut layer = LayerWeights::default();
            for ((name, tensor), shape) in LAYER_NAMES.iter().zip(&mut layer).zip(layer_shapes(&dims)) {
                let name = format!("{prefix}{name}");
                let optional = name.ends_with("bias")
                    || name.ends_with("q_norm.weight")
                    || name.ends_with("k_norm.weight");
                if !optional || source.shape(&name).is_some() {
                    *tensor = read(&name, &shape)?;
                }
            }
            check_family(&config, index, &layer)?;
            weights.layers.push(layer);
        }
        Ok(Arc::new(base))
    }

    /// Fresh weights: matrices normal with deviation 0.02 (those that write to the residual stream scaled down
    /// by the root of twice the depth), norms 1, biases 0.
    pub fn random(config: &ModelConfig, seed: u64) -> Result<Self> {
        let mut base = Self::empty(config)?;
        let dims = base.dims;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let deviation = 0.02;
        let residual = deviation / (2.0 * dims.layers as f32).sqrt();
        let mut normal = |len: usize, deviation: f32| -> Vec<f32> {
            (0..len).map(|_| gaussian(&mut rng) * deviation).collect()
        };
        base.weights.embedding = normal(dims.vocab * dims.hidden, deviation);
        base.weights.final_norm = vec![1.0; dims.hidden];
        if !config.tie_word_embeddings {
            base.weights.head = normal(dims.vocab * dims.hidden, deviation);
        }
        let (has_norm, has_bias) = family(config);
        for _ in 0..dims.layers {
            let mut layer = LayerWeights::default();
            for ((name, tensor), shape) in LAYER_NAMES.iter().zip(&mut layer).zip(layer_shapes(&dims)) {
                let len = shape.iter().product();
                *tensor = match *name {
                    "self_attn.o_proj.weight" | "mlp.down_proj.weight" => normal(len, residual),
                    name if name.ends_with("proj.weight") => normal(len, deviation),
                    name if name.ends_with("bias") => vec![0.0; if has_bias { len } else { 0 }],
                    name if name.starts_with("self_attn") => vec![1.0; if has_norm { len } else { 0 }],
                    _ => vec![1.0; len],
                };
            }
            base.weights.layers.push(layer);
        }
        Ok(base)
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The number of weights.
    pub fn parameter_count(&self) -> usize {
        self.weights.tensors().iter().map(|tensor| tensor.len()).sum()
    }

    /// Every tensor with its Hugging Face name and shape.
    pub fn named_tensors(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let dims = &self.dims;
        let table = vec![dims.vocab, dims.hidden];
        let weights = &self.weights;
        let mut named = vec![
            ("model.embed_tokens.weight".to_owned(), table.clone(), weights.embedding.as_slice()),
            ("model.norm.weight".to_owned(), vec![dims.hidden], weights.final_norm.as_slice()),
            ("lm_head.weight".to_owned(), table, weights.head.as_slice()),
        ];
        for (index, layer) in weights.layers.iter().enumerate() {
            let rows = LAYER_NAMES.iter().zip(layer_shapes(dims)).zip(layer);
            named.extend(rows.map(|((name, shape), tensor)| {
                (format!("model.layers.{index}.{name}"), shape, tensor.as_slice())
            }));
        }
        named.retain(|(_, _, values)| !values.is_empty());
        named
    }

    /// Every tensor in one fixed order; those that the family does not have are left out.
    pub fn tensors(&self) -> Vec<&[f32]> {
        self.weights.tensors()
    }

    /// [`BaseWeights::tensors`], to be written.
    pub fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        self.weights.tensors_mut()
    }

    /// Of the sizes alone: all models of one shape have the same.
    pub fn shape_fingerprint(&self) -> ContentHash {
        ContentHash::of(format!("{:?}", self.dims).as_bytes())
    }

    /// The rows of a logit: the head, or the embedding when they are tied.
    pub(crate) fn head(&self) -> &[f32] {
        if self.weights.head.is_empty() { &self.weights.embedding } else { &self.weights.head }
    }

    fn empty(config: &ModelConfig) -> Result<Self> {
        let dims = Dims::new(config);
        let sizes = [dims.vocab, dims.hidden, dims.inner, dims.layers, dims.heads, dims.kv_heads, dims.head];
        if sizes.contains(&0) || !dims.heads.is_multiple_of(dims.kv_heads) || !dims.head.is_multiple_of(2) {
            return Err(Error::argument(format!("a model of these sizes cannot be trained: {dims:?}")));
        }
        let rope = Rope::new(config);
        Ok(Self { config: config.clone(), dims, weights: Weights::default(), rope })
    }
}

/// Whether the family has per-head norms of q and k, and biases of q, k and v.
fn family(config: &ModelConfig) -> (bool, bool) {
    let norm = matches!(config.architecture, Architecture::Qwen3);
    let bias = matches!(config.architecture, Architecture::Qwen2) || config.attention_bias;
    (norm, bias)
}

fn check_family(config: &ModelConfig, index: usize, layer: &LayerWeights) -> Result<()> {
    let norms = [Q_NORM, K_NORM].map(|index| !layer[index].is_empty());
    let biases = [0, 1, 2].map(|index| !layer[BIASES + index].is_empty());
    let (has_norm, _) = family(config);
    if norms != [has_norm; 2] || !(biases == [true; 3] || biases == [false; 3]) {
        return Err(Error::argument(format!(
            "layer {index} does not have the q/k norms or the biases of its family: norms {norms:?}, biases {biases:?}"
        )));
    }
    Ok(())
}

fn layer_shapes(dims: &Dims) -> [Vec<usize>; LAYER_NAMES.len()] {
    std::array::from_fn(|index| match index {
        INPUT_NORM | POST_NORM => vec![dims.hidden],
        Q_NORM | K_NORM => vec![dims.head],
        BIASES => vec![dims.q_width()],
        5 | 6 => vec![dims.kv_width()],
        _ => {
            let (rows, columns) = dims.projection(index - PROJECTIONS);
            vec![rows, columns]
        }
    })
}

/// A standard normal number, by Box and Muller.
pub fn gaussian(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = 2.0 * std::f64::consts::PI * rng.random::<f64>();
    (radius * angle.cos()) as f32
}
