//! The hand-written gradients against candle's automatic ones, in f64 and from a forward pass of its own, a
//! sequence at a time.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use hyprstream_models::{Architecture, Module};

use crate::adapter::LoraConfig;
use crate::kernels::Precision;
use crate::model::{BaseWeights, Tensors};
use crate::network::{AdapterView, Example, Gradients, Network};
use crate::training::shards::Shards;
use crate::training::tests::fixture::{GO_ON, drawn_adapter, examples, lively, small_config};

/// The model's tensors by name, and A and B of each adapted projection under the names the layers ask for.
struct Reference<'a> {
    base: &'a BaseWeights,
    named: Vec<(String, Var)>,
    scale: f64,
}

impl Reference<'_> {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, var)| var.as_tensor())
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let mut y = x.matmul(&self.get(&format!("{name}.weight")).unwrap().t()?)?;
        if let Some(bias) = self.get(&format!("{name}.bias")) {
            y = y.broadcast_add(bias)?;
        }
        let a = self.get(&format!("{name}.a")).unwrap();
        let b = self.get(&format!("{name}.b")).unwrap();
        y + (x.matmul(&a.t()?)?.matmul(&b.t()?)? * self.scale)?
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let Some(weight) = self.get(name) else {
            return Ok(x.clone());
        };
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + self.base.config().rms_norm_eps)?.sqrt()?)?.broadcast_mul(weight)
    }

    /// [t, heads · head] → [heads, t, head], normed and rotated when `name` says so.
    fn heads(&self, x: &Tensor, heads: usize, name: Option<&str>) -> Result<Tensor> {
        let (t, head) = (x.dim(0)?, self.base.config().head_dim);
        let x = x.reshape((t, heads, head))?.transpose(0, 1)?.contiguous()?;
        let Some(name) = name else { return Ok(x) };
        let x = self.norm(&x, name)?;
        let frequencies = self.base.config().rope_frequencies();
        let angles: Vec<f64> = (0..t)
            .flat_map(|p| (0..head).map(move |i| (p, i)))
            .map(|(p, i)| p as f64 * frequencies[i % (head / 2)])
            .collect();
        let angles = Tensor::from_vec(angles, (t, head), &Device::Cpu)?;
        let (first, second) = (x.narrow(2, 0, head / 2)?, x.narrow(2, head / 2, head / 2)?);
        let rotated = Tensor::cat(&[&second.neg()?, &first], 2)?;
        x.broadcast_mul(&angles.cos()?)? + rotated.broadcast_mul(&angles.sin()?)?
    }

    #[expect(clippy::many_single_char_names, reason = "the names of the formulas")]
    fn attention(&self, x: &Tensor, prefix: &str) -> Result<Tensor> {
        let config = self.base.config();
        let (t, heads, kv_heads) = (x.dim(0)?, config.num_attention_heads, config.num_key_value_heads);
        let name = |part: &str| format!("{prefix}self_attn.{part}");
        let q = self.heads(&self.linear(x, &name("q_proj"))?, heads, Some(&name("q_norm.weight")))?;
        let k = self.heads(&self.linear(x, &name("k_proj"))?, kv_heads, Some(&name("k_norm.weight")))?;
        let v = self.heads(&self.linear(x, &name("v_proj"))?, kv_heads, None)?;
        let repeated: Vec<u32> = (0..heads).map(|head| (head / (heads / kv_heads)) as u32).collect();
        let repeated = Tensor::new(repeated, &Device::Cpu)?;
        let (k, v) = (k.index_select(&repeated, 0)?, v.index_select(&repeated, 0)?);
        let mask: Vec<f64> = (0..t * t).map(|i| if i % t > i / t { -1e30 } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (t, t), &Device::Cpu)?;
        let scores = (q.matmul(&k.t()?)? / (config.head_dim as f64).sqrt())?.broadcast_add(&mask)?;
        let greatest = scores.max_keepdim(D::Minus1)?.detach();
        let powers = scores.broadcast_sub(&greatest)?.exp()?;
        let shares = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
        let mixed =
            shares.matmul(&v)?.transpose(0, 1)?.contiguous()?.reshape((t, heads * config.head_dim))?;
        self.linear(&mixed, &name("o_proj"))
    }

    /// The sum of the example's losses.
    fn loss(&self, example: &Example) -> Result<Tensor> {
        let config = self.base.config();
        let embedding = self.get("model.embed_tokens.weight").unwrap();
        let mut x = embedding.index_select(&Tensor::new(example.tokens.as_slice(), &Device::Cpu)?, 0)?;
        for layer in 0..config.num_hidden_layers {
            let prefix = format!("model.layers.{layer}.");
            let normed = self.norm(&x, &format!("{prefix}input_layernorm.weight"))?;
            x = (x + self.attention(&normed, &prefix)?)?;
            let normed = self.norm(&x, &format!("{prefix}post_attention_layernorm.weight"))?;
            let gate = self.linear(&normed, &format!("{prefix}mlp.gate_proj"))?;
            let up = self.linear(&normed, &format!("{prefix}mlp.up_proj"))?;
            x = (x + self.linear(&(gate.silu()? * up)?, &format!("{prefix}mlp.down_proj"))?)?;
        }
        let hidden = self.norm(&x, "model.norm.weight")?;
        let logits = hidden.matmul(&self.get("lm_head.weight").unwrap_or(embedding).t()?)?;
        let first = example.completion_start.max(1);
        let logits = logits.narrow(0, first - 1, example.tokens.len() - first)?;
        let targets = Tensor::new(&example.tokens[first..], &Device::Cpu)?.unsqueeze(1)?;
        let greatest = logits.max_keepdim(D::Minus1)?.detach();
        let sums = (logits.broadcast_sub(&greatest)?.exp()?.sum_keepdim(D::Minus1)?.log()? + greatest)?;
        (sums - logits.gather(&targets, 1)?)?.sum_all()
    }
}

fn assert_agreement(architecture: Architecture, tied: bool) {
    let base = lively(&small_config(architecture, tied), 3);
    let config = LoraConfig { rank: 3, alpha: 5.0, ..LoraConfig::default() };
    let adapter = drawn_adapter(&config, &base);
    let examples = examples();

    let var = |values: &[f32], shape: &[usize]| {
        let tensor = Tensor::from_slice(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        Var::from_tensor(&tensor).unwrap()
    };
    let mut named: Vec<(String, Var)> = Vec::new();
    for (layer, pairs) in adapter.layers.iter().enumerate() {
        for (module, pair) in Module::ALL.iter().zip(pairs) {
            let name = module.tensor_name(layer);
            let name = name.trim_end_matches(".weight");
            let ((rows, columns), pair) = (module.shape(base.config()), pair.as_ref().unwrap());
            named.push((format!("{name}.a"), var(&pair.a, &[config.rank, columns])));
            named.push((format!("{name}.b"), var(&pair.b, &[rows, config.rank])));
        }
    }
    named.extend(base.named_tensors().into_iter().map(|(name, shape, values)| (name, var(values, &shape))));
    let reference = Reference { base: &base, named, scale: f64::from(config.scale()) };
    let losses: Vec<Tensor> = examples.iter().map(|example| reference.loss(example).unwrap()).collect();
    let targets: usize = examples.iter().map(Example::target_tokens).sum();
    let loss = (Tensor::stack(&losses, 0).unwrap().sum_all().unwrap() / targets as f64).unwrap();
    let automatic = loss.backward().unwrap();

    let zeros = Gradients { adapter: Some(adapter.zeros_like()), weights: Some(base.weights.zeros_like()) };
    let mut shards = Shards::try_new(1, 2, Precision::F32, &zeros).unwrap();
    let view = AdapterView { pairs: &adapter, rank: config.rank, scale: config.scale() };
    let network = Network { base: &base, adapter: Some(view), dropout: None, cancel: &GO_ON };
    let sum = shards.language(|_| network, &examples.iter().collect::<Vec<_>>(), &[]).unwrap();
    shards.reduce();

    let expected = loss.to_scalar::<f64>().unwrap();
    assert!(
        (sum.loss / targets as f64 - expected).abs() < 1e-5 * expected,
        "loss {} and {expected}",
        sum.loss
    );
    let by_hand = shards.sum().adapter.as_ref().unwrap().tensors();
    let sums = BaseWeights { weights: shards.sum().weights.clone().unwrap(), ..base.clone() };
    let by_hand = by_hand.into_iter().chain(sums.named_tensors().into_iter().map(|(_, _, values)| values));
    for ((name, var), by_hand) in reference.named.iter().zip(by_hand) {
        let automatic = automatic.get(var.as_tensor()).unwrap_or_else(|| panic!("no gradient of {name}"));
        let automatic = automatic.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(automatic.len(), by_hand.len(), "{name}");
        let norm = automatic.iter().map(|x| x * x).sum::<f64>().sqrt();
        let apart =
            automatic.iter().zip(by_hand).map(|(x, y)| (x - f64::from(*y)).powi(2)).sum::<f64>().sqrt();
        // A bias of k shifts all scores of a query alike, so its gradient is zero but for rounding.
        assert!(apart <= 2e-5 * norm + 1e-7, "{name}: {apart} apart of {norm}");
    }
}

#[test]
fn llama_gradients_agree_with_autograd() {
    assert_agreement(Architecture::Llama, false);
}

#[test]
fn qwen2_gradients_agree_with_autograd() {
    assert_agreement(Architecture::Qwen2, true);
}

#[test]
fn qwen3_gradients_agree_with_autograd() {
    assert_agreement(Architecture::Qwen3, true);
}
