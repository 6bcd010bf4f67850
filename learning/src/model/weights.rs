//! The weights of a model in f32, and every other set of numbers of that shape: gradients and moments.

use std::sync::Arc;

use hyprstream_models::{Architecture, ModelConfig, TensorSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::rope::Rope;

// The projections by number: their place in `Module::ALL`.
pub(crate) const Q: usize = 0;
pub(crate) const K: usize = 1;
pub(crate) const V: usize = 2;
pub(crate) const O: usize = 3;
pub(crate) const GATE: usize = 4;
pub(crate) const UP: usize = 5;
pub(crate) const DOWN: usize = 6;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) vocab: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    pub(crate) epsilon: f32,
}

impl Dims {
    fn of(config: &ModelConfig) -> Self {
        Self {
            vocab: config.vocab_size,
            hidden: config.hidden_size,
            inner: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head: config.head_dim,
            epsilon: config.rms_norm_eps as f32,
        }
    }

    /// The width of all query heads together.
    pub(crate) fn q_width(&self) -> usize {
        self.heads * self.head
    }

    /// The width of all key (or value) heads together.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head
    }

    /// (out, in) of a projection.
    pub(crate) fn projection(&self, module: usize) -> (usize, usize) {
        match module {
            Q => (self.q_width(), self.hidden),
            K | V => (self.kv_width(), self.hidden),
            O => (self.hidden, self.q_width()),
            GATE | UP => (self.inner, self.hidden),
            _ => (self.hidden, self.inner),
        }
    }
}

/// One layer. What a family does not have is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerWeights {
    pub(crate) input_norm: Vec<f32>,
    pub(crate) post_norm: Vec<f32>,
    pub(crate) q_norm: Vec<f32>,
    pub(crate) k_norm: Vec<f32>,
    /// Of q, k and v.
    pub(crate) biases: [Vec<f32>; 3],
    /// Row-major [out, in], numbered as [`Module::ALL`].
    pub(crate) projections: [Vec<f32>; 7],
}

/// All numbers of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    pub(crate) embedding: Vec<f32>,
    pub(crate) final_norm: Vec<f32>,
    /// Empty when the embedding is also the head.
    pub(crate) head: Vec<f32>,
    pub(crate) layers: Vec<LayerWeights>,
}

impl LayerWeights {
    fn fields(&self) -> [&Vec<f32>; 14] {
        let [q, k, v, o, gate, up, down] = &self.projections;
        let [bq, bk, bv] = &self.biases;
        let (input, post) = (&self.input_norm, &self.post_norm);
        [input, post, &self.q_norm, &self.k_norm, bq, bk, bv, q, k, v, o, gate, up, down]
    }

    fn fields_mut(&mut self) -> [&mut Vec<f32>; 14] {
        let [q, k, v, o, gate, up, down] = &mut self.projections;
        let [bq, bk, bv] = &mut self.biases;
        let (input, post) = (&mut self.input_norm, &mut self.post_norm);
        [input, post, &mut self.q_norm, &mut self.k_norm, bq, bk, bv, q, k, v, o, gate, up, down]
    }
}

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
const FIRST_PROJECTION: usize = 7;

impl Weights {
    /// Every tensor, in one fixed order, those a family does not have left out.
    pub(crate) fn tensors(&self) -> Vec<&[f32]> {
        let top = [&self.embedding, &self.final_norm, &self.head];
        let all = top.into_iter().chain(self.layers.iter().flat_map(LayerWeights::fields));
        all.filter(|tensor| !tensor.is_empty()).map(Vec::as_slice).collect()
    }

    /// The same, to be written.
    pub(crate) fn tensors_mut(&mut self) -> Vec<&mut [f32]> {
        let top = [&mut self.embedding, &mut self.final_norm, &mut self.head];
        let all = top.into_iter().chain(self.layers.iter_mut().flat_map(LayerWeights::fields_mut));
        all.filter(|tensor| !tensor.is_empty()).map(Vec::as_mut_slice).collect()
    }

    /// Zeros of the same shape.
    pub(crate) fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        zeros.tensors_mut().into_iter().for_each(|tensor| tensor.fill(0.0));
        zeros
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
                return Err(Error::argument("a bias on o_proj cannot be trained over".to_owned()));
            }
            let mut layer = LayerWeights::default();
            for ((name, field), shape) in LAYER_NAMES.iter().zip(layer.fields_mut()).zip(layer_shapes(&dims))
            {
                let name = format!("{prefix}{name}");
                let optional = name.ends_with("bias")
                    || name.ends_with("q_norm.weight")
                    || name.ends_with("k_norm.weight");
                if !optional || source.shape(&name).is_some() {
                    *field = read(&name, &shape)?;
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
            for (index, (field, shape)) in layer.fields_mut().into_iter().zip(layer_shapes(&dims)).enumerate()
            {
                let len = shape.iter().product();
                *field = match LAYER_NAMES[index] {
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
            let rows = LAYER_NAMES.iter().zip(layer_shapes(dims)).zip(layer.fields());
            named.extend(rows.map(|((name, shape), field)| {
                (format!("model.layers.{index}.{name}"), shape, field.as_slice())
            }));
        }
        named.retain(|(_, _, values)| !values.is_empty());
        named
    }

    /// The rows of a logit: the head, or the embedding when they are tied.
    pub(crate) fn head(&self) -> &[f32] {
        if self.weights.head.is_empty() { &self.weights.embedding } else { &self.weights.head }
    }

    fn empty(config: &ModelConfig) -> Result<Self> {
        let dims = Dims::of(config);
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
    let norms = [&layer.q_norm, &layer.k_norm].map(|tensor| !tensor.is_empty());
    let biases = layer.biases.each_ref().map(|tensor| !tensor.is_empty());
    let (has_norm, _) = family(config);
    if norms != [has_norm; 2] || !(biases == [true; 3] || biases == [false; 3]) {
        return Err(Error::argument(format!(
            "layer {index} does not have the q/k norms or the biases of its family: norms {norms:?}, biases {biases:?}"
        )));
    }
    Ok(())
}

fn layer_shapes(dims: &Dims) -> [Vec<usize>; 14] {
    std::array::from_fn(|index| match index {
        0 | 1 => vec![dims.hidden],
        2 | 3 => vec![dims.head],
        4 => vec![dims.q_width()],
        5 | 6 => vec![dims.kv_width()],
        _ => {
            let (rows, columns) = dims.projection(index - FIRST_PROJECTION);
            vec![rows, columns]
        }
    })
}

/// A standard normal number.
pub(crate) fn gaussian(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = 2.0 * std::f64::consts::PI * rng.random::<f64>();
    (radius * angle.cos()) as f32
}
