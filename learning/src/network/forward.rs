//! The forward pass over a packed shard: llama, qwen2 (biases on q, k and v) and qwen3 (norms on the heads
//! of q and k), as in Hugging Face's `modeling_llama.py`, `modeling_qwen2.py` and `modeling_qwen3.py`.

use std::mem::take;

use crate::error::Result;
use crate::kernels::{add, sigmoid};
use crate::model::{DOWN, GATE, INPUT_NORM, K, K_NORM, O, POST_NORM, Q, Q_NORM, Rotation, UP, V};
use crate::network::adapted::Network;
use crate::network::attention::{self, Heads, Mixed};
use crate::network::norm;
use crate::network::pack::Packed;
use crate::network::workspace::Workspace;

/// What the backward pass needs of a layer. Normalised rows and the gated product are made again there.
#[derive(Default)]
pub(crate) struct LayerTrace {
    /// The residual stream on entry, and after attention.
    pub(crate) x: Vec<f32>,
    pub(crate) middle: Vec<f32>,
    pub(crate) input_inverse: Vec<f32>,
    pub(crate) post_inverse: Vec<f32>,
    /// Of q and k before the norm of the heads; empty without one.
    pub(crate) raw: [Vec<f32>; 2],
    pub(crate) head_inverses: [Vec<f32>; 2],
    /// After norm and rotation.
    pub(crate) q: Vec<f32>,
    pub(crate) k: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) mixed: Mixed,
    pub(crate) gate: Vec<f32>,
    pub(crate) up: Vec<f32>,
    /// The inner activations of the seven adapters.
    pub(crate) inner: [Vec<f32>; 7],
}

impl LayerTrace {
    pub(crate) fn release(self, workspace: &mut Workspace) {
        let Self {
            x,
            middle,
            input_inverse,
            post_inverse,
            raw,
            head_inverses,
            q,
            k,
            v,
            mixed,
            gate,
            up,
            inner,
        } = self;
        let Mixed { values, log_sums } = mixed;
        let single = [x, middle, input_inverse, post_inverse, q, k, v, values, log_sums, gate, up];
        let all = single.into_iter().chain(raw).chain(head_inverses).chain(inner);
        all.for_each(|buffer| workspace.give(buffer));
    }
}

/// A finished forward pass.
pub(crate) struct Trace {
    /// Empty unless they were asked for.
    pub(crate) layers: Vec<LayerTrace>,
    /// The residual stream at the end and its inverse root mean squares.
    pub(crate) last: Vec<f32>,
    pub(crate) last_inverse: Vec<f32>,
    /// The final norm's output [n, hidden]: what the head and the pooling read.
    pub(crate) hidden: Vec<f32>,
    pub(crate) rotation: Rotation,
}

impl Trace {
    pub(crate) fn release(self, workspace: &mut Workspace) {
        self.layers.into_iter().for_each(|layer| layer.release(workspace));
        for buffer in [self.last, self.last_inverse, self.hidden] {
            workspace.give(buffer);
        }
    }
}

/// Runs the network; keeps what the backward pass needs when `keep`.
pub(crate) fn forward(
    network: Network<'_>,
    packed: &Packed,
    keep: bool,
    workspace: &mut Workspace,
) -> Result<Trace> {
    let dims = network.base.dims;
    let n = packed.tokens.len();
    let rotation = network.base.rope.rotation(packed.longest());
    let mut x = workspace.take(n * dims.hidden);
    for (row, &token) in x.chunks_exact_mut(dims.hidden).zip(&packed.tokens) {
        row.copy_from_slice(&network.base.weights.embedding[token as usize * dims.hidden..][..dims.hidden]);
    }
    let mut layers = Vec::new();
    for layer in 0..dims.layers {
        network.check_cancel()?;
        let mut pass = LayerPass {
            network,
            layer,
            packed,
            rotation: &rotation,
            trace: LayerTrace::default(),
            workspace,
        };
        pass.attention(x);
        x = pass.feed_forward();
        let trace = pass.trace;
        if keep {
            layers.push(trace);
        } else {
            trace.release(workspace);
        }
    }
    let mut hidden = workspace.take(x.len());
    let mut last_inverse = workspace.take(n);
    norm::forward(&x, &network.base.weights.final_norm, dims.epsilon, &mut hidden, &mut last_inverse);
    Ok(Trace { layers, last: x, last_inverse, hidden, rotation })
}

/// One layer on its way forward.
struct LayerPass<'a, 'w> {
    network: Network<'a>,
    layer: usize,
    packed: &'w Packed,
    rotation: &'w Rotation,
    trace: LayerTrace,
    workspace: &'w mut Workspace,
}

impl LayerPass<'_, '_> {
    /// From the residual stream on entry to that after attention, both kept in the trace.
    fn attention(&mut self, x: Vec<f32>) {
        let dims = self.network.base.dims;
        let starts = &self.packed.starts;
        let (normed, inverse) = self.norm(&x, INPUT_NORM);
        self.trace.input_inverse = inverse;
        let raw_q = self.linear(Q, &normed);
        let raw_k = self.linear(K, &normed);
        self.trace.v = self.linear(V, &normed);
        self.workspace.give(normed);

        self.trace.q = self.head_norm(Q, Q_NORM, raw_q);
        self.trace.k = self.head_norm(K, K_NORM, raw_k);
        self.rotation.apply(&mut self.trace.q, dims.q_width(), dims.head, starts);
        self.rotation.apply(&mut self.trace.k, dims.kv_width(), dims.head, starts);
        let heads = Heads { q: &self.trace.q, k: &self.trace.k, v: &self.trace.v };
        self.trace.mixed = attention::forward(dims, heads, starts, self.workspace);

        let values = take(&mut self.trace.mixed.values);
        let mut middle = self.linear(O, &values);
        self.trace.mixed.values = values;
        add(&mut middle, &x);
        self.trace.x = x;
        self.trace.middle = middle;
    }

    /// The residual stream after the layer.
    fn feed_forward(&mut self) -> Vec<f32> {
        let middle = take(&mut self.trace.middle);
        let (normed, inverse) = self.norm(&middle, POST_NORM);
        self.trace.post_inverse = inverse;
        self.trace.gate = self.linear(GATE, &normed);
        self.trace.up = self.linear(UP, &normed);
        self.workspace.give(normed);
        let mut product = self.workspace.take(self.trace.gate.len());
        gated(&self.trace.gate, &self.trace.up, &mut product);
        let mut next = self.linear(DOWN, &product);
        self.workspace.give(product);
        add(&mut next, &middle);
        self.trace.middle = middle;
        next
    }

    /// The normalised rows of `x` and their inverse root mean squares.
    fn norm(&mut self, x: &[f32], index: usize) -> (Vec<f32>, Vec<f32>) {
        let base = self.network.base;
        let mut normed = self.workspace.take(x.len());
        let mut inverse = self.workspace.take(self.packed.tokens.len());
        let weight = &base.weights.layers[self.layer][index];
        norm::forward(x, weight, base.dims.epsilon, &mut normed, &mut inverse);
        (normed, inverse)
    }

    fn linear(&mut self, module: usize, input: &[f32]) -> Vec<f32> {
        let projected = self.network.linear(self.layer, module).forward(input, self.workspace);
        self.trace.inner[module] = projected.inner;
        projected.y
    }

    /// Norms each head of the rows of q or k and keeps them; without a norm the rows pass through.
    fn head_norm(&mut self, module: usize, index: usize, rows: Vec<f32>) -> Vec<f32> {
        let base = self.network.base;
        let weight = &base.weights.layers[self.layer][index];
        if weight.is_empty() {
            return rows;
        }
        let mut normed = self.workspace.take(rows.len());
        let mut inverses = self.workspace.take(rows.len() / weight.len());
        norm::forward(&rows, weight, base.dims.epsilon, &mut normed, &mut inverses);
        self.trace.head_inverses[module] = inverses;
        self.trace.raw[module] = rows;
        normed
    }
}

/// `silu(gate) · up`.
pub(crate) fn gated(gate: &[f32], up: &[f32], product: &mut [f32]) {
    for ((product, gate), up) in product.iter_mut().zip(gate).zip(up) {
        *product = gate * sigmoid(*gate) * up;
    }
}
