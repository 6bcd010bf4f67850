//! An independent forward pass, in candle, to check the runtime and the trainer against.
//!
//! It follows the definitions of `transformers` (`modeling_llama.py`, `modeling_qwen2.py`, `modeling_qwen3.py`) line by
//! line in 32-bit floats, reads the weights of a layer when it comes to it, and is not meant to be fast.

use candle_core::{D, Device, Tensor};

use hyprstream_models::{
    Architecture, Error, LoraMatrix, LoraWeights, ModelConfig, Module, Result, TensorSource,
};

/// The logits of every position, `[tokens, vocabulary]`, row-major.
pub fn logits(tensors: &dyn TensorSource, lora: Option<&LoraWeights>, ids: &[u32]) -> Result<Vec<f32>> {
    let forward = Forward::try_new(tensors, lora, ids)?;
    forward.logits(ids).and_then(|logits| logits.flatten_all()?.to_vec1()).map_err(failed)
}

/// The final norm's output at every position, `[tokens, hidden]`, row-major: its mean is the text's embedding.
pub fn hidden_states(
    tensors: &dyn TensorSource,
    lora: Option<&LoraWeights>,
    ids: &[u32],
) -> Result<Vec<f32>> {
    let forward = Forward::try_new(tensors, lora, ids)?;
    forward.hidden_states(ids).and_then(|states| states.flatten_all()?.to_vec1()).map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err calls")]
fn failed(error: candle_core::Error) -> Error {
    Error::Internal(format!("the reference computation failed: {error}"))
}

struct Forward<'a> {
    tensors: &'a dyn TensorSource,
    config: &'a ModelConfig,
    lora: Option<&'a LoraWeights>,
    device: Device,
}

type Candle<T> = candle_core::Result<T>;

impl<'a> Forward<'a> {
    fn try_new(tensors: &'a dyn TensorSource, lora: Option<&'a LoraWeights>, ids: &[u32]) -> Result<Self> {
        let config = tensors.config();
        if ids.is_empty() {
            return Err(Error::Argument("there are no tokens to compute".to_owned()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= config.vocab_size) {
            return Err(Error::Argument(format!(
                "token {id} is outside the vocabulary of {}",
                config.vocab_size
            )));
        }
        if let Some(lora) = lora {
            lora.validate(config)?;
        }
        Ok(Self { tensors, config, lora, device: Device::Cpu })
    }

    fn logits(&self, ids: &[u32]) -> Candle<Tensor> {
        let head =
            if self.config.tie_word_embeddings { "model.embed_tokens.weight" } else { "lm_head.weight" };
        self.hidden_states(ids)?.matmul(&self.tensor(head)?.t()?)
    }

    fn hidden_states(&self, ids: &[u32]) -> Candle<Tensor> {
        let ids = Tensor::new(ids, &self.device)?;
        let mut x = self.tensor("model.embed_tokens.weight")?.index_select(&ids, 0)?;
        let (cos, sin) = self.rotary(x.dim(0)?)?;
        for layer in 0..self.config.num_hidden_layers {
            let normed = self.rms_norm(&x, &format!("model.layers.{layer}.input_layernorm.weight"))?;
            x = (x + self.attention(layer, &normed, &cos, &sin)?)?;
            let normed =
                self.rms_norm(&x, &format!("model.layers.{layer}.post_attention_layernorm.weight"))?;
            x = (x + self.feed_forward(layer, &normed)?)?;
        }
        self.rms_norm(&x, "model.norm.weight")
    }

    fn attention(&self, layer: usize, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Candle<Tensor> {
        let tokens = x.dim(0)?;
        let ModelConfig { num_attention_heads, num_key_value_heads, head_dim, .. } = *self.config;
        let heads =
            |x: Tensor, heads: usize| x.reshape((tokens, heads, head_dim))?.transpose(0, 1)?.contiguous();
        let mut q = heads(self.project(layer, Module::QProj, x)?, num_attention_heads)?;
        let mut k = heads(self.project(layer, Module::KProj, x)?, num_key_value_heads)?;
        let v = heads(self.project(layer, Module::VProj, x)?, num_key_value_heads)?;
        if self.config.architecture == Architecture::Qwen3 {
            q = self.rms_norm(&q, &format!("model.layers.{layer}.self_attn.q_norm.weight"))?;
            k = self.rms_norm(&k, &format!("model.layers.{layer}.self_attn.k_norm.weight"))?;
        }
        let (q, k) = (rotate(&q, cos, sin)?, rotate(&k, cos, sin)?);
        let groups = num_attention_heads / num_key_value_heads;
        let (k, v) = (repeat(&k, groups)?, repeat(&v, groups)?);
        let scores = (q.matmul(&k.t()?)? / (head_dim as f64).sqrt())?;
        let weights = softmax(&scores.broadcast_add(&self.causal_mask(tokens)?)?)?;
        let joined = weights.matmul(&v)?.transpose(0, 1)?.contiguous()?.reshape((tokens, ()))?;
        self.project(layer, Module::OProj, &joined)
    }

    fn feed_forward(&self, layer: usize, x: &Tensor) -> Candle<Tensor> {
        let gate = self.project(layer, Module::GateProj, x)?;
        let up = self.project(layer, Module::UpProj, x)?;
        self.project(layer, Module::DownProj, &(gate.silu()? * up)?)
    }

    /// `x Wᵀ + b + scale · (x Aᵀ) Bᵀ`.
    fn project(&self, layer: usize, module: Module, x: &Tensor) -> Candle<Tensor> {
        let name = module.tensor_name(layer);
        let mut y = x.matmul(&self.tensor(&name)?.t()?)?;
        let bias = name.replace(".weight", ".bias");
        if self.tensors.shape(&bias).is_some() {
            y = y.broadcast_add(&self.tensor(&bias)?)?;
        }
        let Some(lora) = self.lora else { return Ok(y) };
        let matches = |matrix: &&LoraMatrix| matrix.layer == layer && matrix.module == module;
        let Some(matrix) = lora.layers.iter().find(matches) else {
            return Ok(y);
        };
        let (outputs, inputs) = module.shape(self.config);
        let a = Tensor::from_slice(&matrix.a, (lora.rank, inputs), &self.device)?;
        let b = Tensor::from_slice(&matrix.b, (outputs, lora.rank), &self.device)?;
        y + (x.matmul(&a.t()?)?.matmul(&b.t()?)? * f64::from(lora.scale()))?
    }

    fn rms_norm(&self, x: &Tensor, name: &str) -> Candle<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + self.config.rms_norm_eps)?.sqrt()?)?.broadcast_mul(&self.tensor(name)?)
    }

    /// The cosines and sines of every position and pair, `[tokens, head_dim / 2]`.
    fn rotary(&self, tokens: usize) -> Candle<(Tensor, Tensor)> {
        let frequencies = self.config.rope_frequencies();
        let angles: Vec<f64> =
            (0..tokens).flat_map(|position| frequencies.iter().map(move |f| position as f64 * f)).collect();
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|angle| of(*angle) as f32).collect();
            Tensor::from_vec(values, (tokens, frequencies.len()), &self.device)
        };
        Ok((table(f64::cos)?, table(f64::sin)?))
    }

    fn causal_mask(&self, tokens: usize) -> Candle<Tensor> {
        let values: Vec<f32> = (0..tokens)
            .flat_map(|row| (0..tokens).map(move |column| if column > row { f32::NEG_INFINITY } else { 0.0 }))
            .collect();
        Tensor::from_vec(values, (1, tokens, tokens), &self.device)
    }

    fn tensor(&self, name: &str) -> Candle<Tensor> {
        let shape = self.tensors.shape(name).unwrap_or_default().to_vec();
        let values = self.tensors.read_f32(name).map_err(candle_core::Error::wrap)?;
        Tensor::from_vec(values, shape, &self.device)
    }
}

/// Rotates the halves of every head against each other.
fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Candle<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let left = (first.broadcast_mul(cos)? - second.broadcast_mul(sin)?)?;
    let right = (second.broadcast_mul(cos)? + first.broadcast_mul(sin)?)?;
    Tensor::cat(&[left, right], D::Minus1)
}

/// Every key and value head serves a group of neighbouring query heads.
fn repeat(x: &Tensor, groups: usize) -> Candle<Tensor> {
    let (heads, tokens, width) = x.dims3()?;
    x.unsqueeze(1)?.expand((heads, groups, tokens, width))?.contiguous()?.reshape((
        heads * groups,
        tokens,
        width,
    ))
}

fn softmax(scores: &Tensor) -> Candle<Tensor> {
    let exponentials = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}
