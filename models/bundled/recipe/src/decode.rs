//! A plain greedy decoder, to see how a run is doing while it trains. What is published is measured through
//! llama.cpp, which answers.

use hyprstream_models::{ModelConfig, TensorSource};

use crate::error::Result;

struct Layer {
    norms: [Vec<f32>; 4],
    projections: [Vec<f32>; 7],
}

/// The weights of a Qwen3 model in f32.
pub struct Decoder {
    config: ModelConfig,
    embedding: Vec<f32>,
    final_norm: Vec<f32>,
    layers: Vec<Layer>,
}

/// The keys and values of the tokens so far, a pair a layer.
#[derive(Default)]
struct Cache(Vec<(Vec<f32>, Vec<f32>)>);

const PROJECTIONS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];
const NORMS: [&str; 4] = [
    "input_layernorm",
    "post_attention_layernorm",
    "self_attn.q_norm",
    "self_attn.k_norm",
];

impl Decoder {
    /// Reads every weight of `source`.
    pub fn try_new(source: &dyn TensorSource) -> Result<Self> {
        let config = source.config().clone();
        let mut layers = Vec::new();
        for index in 0..config.num_hidden_layers {
            let read = |name: &str| source.read_f32(&format!("model.layers.{index}.{name}.weight"));
            let mut layer = Layer {
                norms: Default::default(),
                projections: Default::default(),
            };
            for (slot, name) in layer.norms.iter_mut().zip(NORMS) {
                *slot = read(name)?;
            }
            for (slot, name) in layer.projections.iter_mut().zip(PROJECTIONS) {
                *slot = read(name)?;
            }
            layers.push(layer);
        }
        let embedding = source.read_f32("model.embed_tokens.weight")?;
        let final_norm = source.read_f32("model.norm.weight")?;
        Ok(Self {
            config,
            embedding,
            final_norm,
            layers,
        })
    }

    /// The most likely tokens after `prompt`, up to `end` or `most` tokens.
    pub fn complete(&self, prompt: &[u32], end: u32, most: usize) -> Vec<u32> {
        let mut cache = Cache::default();
        let mut hidden = Vec::new();
        for &token in prompt {
            hidden = self.forward(token, &mut cache);
        }
        let mut tokens = Vec::new();
        while tokens.len() < most {
            let next = self.likeliest(&hidden);
            if next == end {
                break;
            }
            tokens.push(next);
            hidden = self.forward(next, &mut cache);
        }
        tokens
    }

    /// The mean of the final norm's rows, of length one.
    pub fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let mut cache = Cache::default();
        let mut sum = vec![0.0; self.config.hidden_size];
        for &token in tokens {
            let hidden = self.forward(token, &mut cache);
            sum.iter_mut().zip(hidden).for_each(|(sum, value)| *sum += value);
        }
        let length = dot(&sum, &sum).sqrt().max(1e-12);
        sum.iter_mut().for_each(|value| *value /= length);
        sum
    }

    fn likeliest(&self, hidden: &[f32]) -> u32 {
        let scores = multiply(&self.embedding, hidden);
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or(0, |(token, _)| token as u32)
    }

    fn forward(&self, token: u32, cache: &mut Cache) -> Vec<f32> {
        let width = self.config.hidden_size;
        let start = token as usize * width;
        let mut x = self.embedding[start..start + width].to_vec();
        cache.0.resize_with(self.layers.len(), Default::default);
        for (layer, (keys, values)) in self.layers.iter().zip(&mut cache.0) {
            let [q, k, v, o, gate, up, down] = &layer.projections;
            let h = self.normed(&x, &layer.norms[0]);
            let position = values.len() / (self.config.num_key_value_heads * self.config.head_dim);
            let queries = self.rotated(multiply(q, &h), &layer.norms[2], position);
            keys.extend(self.rotated(multiply(k, &h), &layer.norms[3], position));
            values.extend(multiply(v, &h));
            add(&mut x, &multiply(o, &self.attended(&queries, keys, values)));
            let h = self.normed(&x, &layer.norms[1]);
            let mut inner = multiply(gate, &h);
            for (gate, up) in inner.iter_mut().zip(multiply(up, &h)) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut x, &multiply(down, &inner));
        }
        self.normed(&x, &self.final_norm)
    }

    fn normed(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mean = dot(x, x) / x.len() as f32;
        let factor = 1.0 / (mean + self.config.rms_norm_eps as f32).sqrt();
        x.iter().zip(weight).map(|(x, w)| x * factor * w).collect()
    }

    fn rotated(&self, heads: Vec<f32>, norm: &[f32], position: usize) -> Vec<f32> {
        let size = self.config.head_dim;
        let half = size / 2;
        let mut turned = Vec::with_capacity(heads.len());
        for head in heads.chunks(size) {
            let head = self.normed(head, norm);
            let angle = |i: usize| {
                let frequency = self
                    .config
                    .rope_theta
                    .powf(-2.0 * (i % half) as f64 / size as f64);
                (position as f64 * frequency) as f32
            };
            for i in 0..size {
                let other = if i < half { -head[i + half] } else { head[i - half] };
                turned.push(head[i] * angle(i).cos() + other * angle(i).sin());
            }
        }
        turned
    }

    fn attended(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f32> {
        let size = self.config.head_dim;
        let shared = self.config.num_attention_heads / self.config.num_key_value_heads;
        let stride = self.config.num_key_value_heads * size;
        let mut out = vec![0.0; queries.len()];
        for (index, (query, out)) in queries.chunks(size).zip(out.chunks_mut(size)).enumerate() {
            let at = index / shared * size;
            let mut weights: Vec<f32> = keys
                .chunks(stride)
                .map(|row| dot(query, &row[at..at + size]) / (size as f32).sqrt())
                .collect();
            let most = weights.iter().copied().fold(f32::MIN, f32::max);
            weights.iter_mut().for_each(|w| *w = (*w - most).exp());
            let sum: f32 = weights.iter().sum();
            for (row, weight) in values.chunks(stride).zip(&weights) {
                out.iter_mut()
                    .zip(&row[at..at + size])
                    .for_each(|(out, v)| *out += weight / sum * v);
            }
        }
        out
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.0.iter().zip(b.0) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn multiply(matrix: &[f32], x: &[f32]) -> Vec<f32> {
    matrix.chunks(x.len()).map(|row| dot(row, x)).collect()
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
