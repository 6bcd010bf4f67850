//! The forward pass over a packed shard: llama, qwen2 (biases on q, k and v) and qwen3 (norms on the heads
//! of q and k), as in Hugging Face's `modeling_llama.py`, `modeling_qwen2.py` and `modeling_qwen3.py`.

use crate::attention::{self, Heads};
use crate::error::Result;
use crate::kernels::{add, sigmoid};
use crate::network::Network;
use crate::norm;
use crate::pack::Packed;
use crate::rope::Rotation;
use crate::weights::{DOWN, GATE, K, O, Q, UP, V};
use crate::workspace::Workspace;

/// What the backward pass needs of a layer. Normalised rows and the gated product are made again there.
#[derive(Default)]
pub(crate) struct LayerTrace {
    /// The residual stream on entry, and after attention.
    pub(crate) x: Vec<f32>,
    pub(crate) middle: Vec<f32>,
    pub(crate) input_inverse: Vec<f32>,
    pub(crate) post_inverse: Vec<f32>,
    /// Before the norm of the heads (empty without one) and after norm and rotation.
    pub(crate) raw: [Vec<f32>; 2],
    pub(crate) head_inverses: [Vec<f32>; 2],
    pub(crate) q: Vec<f32>,
    pub(crate) k: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) mixed: Vec<f32>,
    pub(crate) log_sums: Vec<f32>,
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
            log_sums,
            gate,
            up,
            inner,
        } = self;
        let single = [x, middle, input_inverse, post_inverse, q, k, v, mixed, log_sums, gate, up];
        single
            .into_iter()
            .chain(raw)
            .chain(head_inverses)
            .chain(inner)
            .for_each(|buffer| workspace.give(buffer));
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
        let (next, trace) = layer_forward(network, layer, x, packed, &rotation, workspace);
        x = next;
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

fn layer_forward(
    network: Network<'_>,
    layer: usize,
    x: Vec<f32>,
    packed: &Packed,
    rotation: &Rotation,
    workspace: &mut Workspace,
) -> (Vec<f32>, LayerTrace) {
    let dims = network.base.dims;
    let weights = &network.base.weights.layers[layer];
    let n = packed.tokens.len();
    let mut trace = LayerTrace::default();

    let mut normed = workspace.take(x.len());
    trace.input_inverse = workspace.take(n);
    norm::forward(&x, &weights.input_norm, dims.epsilon, &mut normed, &mut trace.input_inverse);
    let linear = |module: usize, input: &[f32], trace: &mut LayerTrace, workspace: &mut Workspace| {
        let (y, inner) = network.linear(layer, module).forward(input, workspace);
        trace.inner[module] = inner;
        y
    };
    let raw_q = linear(Q, &normed, &mut trace, workspace);
    let raw_k = linear(K, &normed, &mut trace, workspace);
    trace.v = linear(V, &normed, &mut trace, workspace);
    workspace.give(normed);

    trace.q = head_norm(
        raw_q,
        &weights.q_norm,
        dims.epsilon,
        &mut trace.raw[0],
        &mut trace.head_inverses[0],
        workspace,
    );
    trace.k = head_norm(
        raw_k,
        &weights.k_norm,
        dims.epsilon,
        &mut trace.raw[1],
        &mut trace.head_inverses[1],
        workspace,
    );
    rotation.apply(&mut trace.q, dims.q_width(), dims.head, &packed.starts);
    rotation.apply(&mut trace.k, dims.kv_width(), dims.head, &packed.starts);
    let heads = Heads { q: &trace.q, k: &trace.k, v: &trace.v };
    (trace.mixed, trace.log_sums) = attention::forward(dims, heads, &packed.starts, workspace);

    let mixed = std::mem::take(&mut trace.mixed);
    let mut middle = linear(O, &mixed, &mut trace, workspace);
    trace.mixed = mixed;
    add(&mut middle, &x);
    trace.x = x;

    let mut normed = workspace.take(middle.len());
    trace.post_inverse = workspace.take(n);
    norm::forward(&middle, &weights.post_norm, dims.epsilon, &mut normed, &mut trace.post_inverse);
    trace.gate = linear(GATE, &normed, &mut trace, workspace);
    trace.up = linear(UP, &normed, &mut trace, workspace);
    workspace.give(normed);
    let mut product = workspace.take(trace.gate.len());
    gated(&trace.gate, &trace.up, &mut product);
    let mut next = linear(DOWN, &product, &mut trace, workspace);
    workspace.give(product);
    add(&mut next, &middle);
    trace.middle = middle;
    (next, trace)
}

/// `silu(gate) · up`.
pub(crate) fn gated(gate: &[f32], up: &[f32], product: &mut [f32]) {
    for ((product, gate), up) in product.iter_mut().zip(gate).zip(up) {
        *product = gate * sigmoid(*gate) * up;
    }
}

/// Norms each head of `rows`, keeping them in `raw`; without a norm the rows pass through.
fn head_norm(
    rows: Vec<f32>,
    weight: &[f32],
    epsilon: f32,
    raw: &mut Vec<f32>,
    inverses: &mut Vec<f32>,
    workspace: &mut Workspace,
) -> Vec<f32> {
    if weight.is_empty() {
        return rows;
    }
    let mut normed = workspace.take(rows.len());
    *inverses = workspace.take(rows.len() / weight.len());
    norm::forward(&rows, weight, epsilon, &mut normed, inverses);
    *raw = rows;
    normed
}
