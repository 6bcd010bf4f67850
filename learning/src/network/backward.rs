//! The backward pass: from the gradient of the final norm's output to the gradients of everything trained.

use crate::attention::{self, HeadGradients, Heads};
use crate::error::Result;
use crate::forward::{LayerTrace, Trace, gated};
use crate::kernels::{add, sigmoid};
use crate::network::{Gradients, Network};
use crate::norm;
use crate::pack::Packed;
use crate::rope::Rotation;
use crate::weights::{DOWN, GATE, K, O, Q, UP, V};
use crate::workspace::Workspace;

/// Adds the gradients of a shard to `gradients`; `d_hidden` is the gradient of `trace.hidden`.
pub(crate) fn backward(
    network: Network<'_>,
    packed: &Packed,
    trace: Trace,
    d_hidden: &[f32],
    gradients: &mut Gradients,
    workspace: &mut Workspace,
) -> Result<()> {
    let base = network.base;
    let Trace { layers, last, last_inverse, hidden, rotation } = trace;
    let mut dx = workspace.zeroed(last.len());
    norm::backward(&last, &base.weights.final_norm, &last_inverse, d_hidden, &mut dx);
    if let Some(weights) = &mut gradients.weights {
        norm::backward_weight(&last, &last_inverse, d_hidden, &mut weights.final_norm);
    }
    for buffer in [last, last_inverse, hidden] {
        workspace.give(buffer);
    }
    for (layer, trace) in layers.into_iter().enumerate().rev() {
        network.check_cancel()?;
        let mut pass = LayerPass { network, layer, packed, rotation: &rotation, gradients, workspace };
        pass.feed_forward(&trace, &mut dx);
        pass.attention(&trace, &mut dx);
        trace.release(workspace);
    }
    if let Some(weights) = &mut gradients.weights {
        let width = base.dims.hidden;
        for (row, &token) in dx.chunks_exact(width).zip(&packed.tokens) {
            add(&mut weights.embedding[token as usize * width..][..width], row);
        }
    }
    workspace.give(dx);
    Ok(())
}

struct LayerPass<'a, 'w> {
    network: Network<'a>,
    layer: usize,
    packed: &'a Packed,
    rotation: &'a Rotation,
    gradients: &'w mut Gradients,
    workspace: &'w mut Workspace,
}

impl LayerPass<'_, '_> {
    /// `dx`, the gradient of the layer's output, becomes that of the stream between attention and feed-forward.
    fn feed_forward(&mut self, trace: &LayerTrace, dx: &mut [f32]) {
        let weights = &self.network.base.weights.layers[self.layer];
        let mut product = self.workspace.take(trace.gate.len());
        let mut d_product = self.workspace.take(trace.gate.len());
        gated(&trace.gate, &trace.up, &mut product);
        self.linear(trace, DOWN, &product, dx, Some((&mut d_product, false)));
        let (mut d_gate, mut d_up) = (product, d_product);
        gated_backward(&trace.gate, &trace.up, &mut d_up, &mut d_gate);

        let mut normed = self.workspace.take(trace.middle.len());
        norm::again(&trace.middle, &weights.post_norm, &trace.post_inverse, &mut normed);
        let mut d_normed = self.workspace.take(trace.middle.len());
        self.linear(trace, GATE, &normed, &d_gate, Some((&mut d_normed, false)));
        self.linear(trace, UP, &normed, &d_up, Some((&mut d_normed, true)));
        norm::backward(&trace.middle, &weights.post_norm, &trace.post_inverse, &d_normed, dx);
        if let Some(sum) = &mut self.gradients.weights {
            let sum = &mut sum.layers[self.layer].post_norm;
            norm::backward_weight(&trace.middle, &trace.post_inverse, &d_normed, sum);
        }
        for buffer in [d_gate, d_up, normed, d_normed] {
            self.workspace.give(buffer);
        }
    }

    /// `dx` becomes the gradient of the layer's input.
    fn attention(&mut self, trace: &LayerTrace, dx: &mut [f32]) {
        let base = self.network.base;
        let (dims, weights) = (base.dims, &base.weights.layers[self.layer]);
        let mut d_mixed = self.workspace.take(trace.mixed.len());
        self.linear(trace, O, &trace.mixed, dx, Some((&mut d_mixed, false)));
        let heads = Heads { q: &trace.q, k: &trace.k, v: &trace.v };
        let results = (trace.mixed.as_slice(), trace.log_sums.as_slice());
        let HeadGradients { mut dq, mut dk, dv } =
            attention::backward(dims, heads, &self.packed.starts, results, &d_mixed, self.workspace);
        self.rotation.undo(&mut dq, dims.q_width(), dims.head, &self.packed.starts);
        self.rotation.undo(&mut dk, dims.kv_width(), dims.head, &self.packed.starts);
        let dq = self.head_norm(trace, Q, dq);
        let dk = self.head_norm(trace, K, dk);

        // Below the first layer there is only the embedding, which an adapter leaves frozen.
        let needed = self.layer > 0 || self.gradients.weights.is_some();
        let mut normed = self.workspace.take(trace.x.len());
        norm::again(&trace.x, &weights.input_norm, &trace.input_inverse, &mut normed);
        let mut d_normed = self.workspace.take(trace.x.len());
        for (index, (module, dy)) in [(Q, &dq), (K, &dk), (V, &dv)].into_iter().enumerate() {
            let into = needed.then_some((d_normed.as_mut_slice(), index > 0));
            self.linear(trace, module, &normed, dy, into);
        }
        if needed {
            norm::backward(&trace.x, &weights.input_norm, &trace.input_inverse, &d_normed, dx);
        }
        if let Some(sum) = &mut self.gradients.weights {
            let sum = &mut sum.layers[self.layer].input_norm;
            norm::backward_weight(&trace.x, &trace.input_inverse, &d_normed, sum);
        }
        for buffer in [d_mixed, dq, dk, dv, normed, d_normed] {
            self.workspace.give(buffer);
        }
    }

    fn linear(
        &mut self,
        trace: &LayerTrace,
        module: usize,
        x: &[f32],
        dy: &[f32],
        dx: Option<(&mut [f32], bool)>,
    ) {
        let gradient = self.gradients.linear(self.layer, module);
        let linear = self.network.linear(self.layer, module);
        linear.backward(x, &trace.inner[module], dy, dx, gradient, self.workspace);
    }

    /// Back through the norm of the heads of q or k, if the family has one.
    fn head_norm(&mut self, trace: &LayerTrace, module: usize, dy: Vec<f32>) -> Vec<f32> {
        let weights = &self.network.base.weights.layers[self.layer];
        let weight = if module == Q { &weights.q_norm } else { &weights.k_norm };
        if weight.is_empty() {
            return dy;
        }
        let (raw, inverses) = (&trace.raw[module], &trace.head_inverses[module]);
        let mut d_raw = self.workspace.zeroed(dy.len());
        norm::backward(raw, weight, inverses, &dy, &mut d_raw);
        if let Some(sum) = &mut self.gradients.weights {
            let sum = &mut sum.layers[self.layer];
            let sum = if module == Q { &mut sum.q_norm } else { &mut sum.k_norm };
            norm::backward_weight(raw, inverses, &dy, sum);
        }
        self.workspace.give(dy);
        d_raw
    }
}

/// The gradient of [`gated`]: `d_up` holds the product's gradient on entry; `d_gate` is overwritten.
fn gated_backward(gate: &[f32], up: &[f32], d_up: &mut [f32], d_gate: &mut [f32]) {
    for (((gate, up), d_up), d_gate) in gate.iter().zip(up).zip(d_up).zip(d_gate) {
        let sigma = sigmoid(*gate);
        let silu = gate * sigma;
        *d_gate = *d_up * up * sigma * (1.0 + gate - silu);
        *d_up *= silu;
    }
}
