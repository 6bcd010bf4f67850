//! The backward pass: from the gradient of the final norm's output to the gradients of everything trained.

use crate::error::Result;
use crate::kernels::{Store, add, sigmoid};
use crate::model::{DOWN, GATE, INPUT_NORM, K, K_NORM, O, POST_NORM, Q, Q_NORM, Rotation, UP, V};
use crate::network::adapted::Network;
use crate::network::attention::{self, HeadGradients, Heads};
use crate::network::forward::{LayerTrace, Trace, gated};
use crate::network::gradients::Gradients;
use crate::network::linear::InputGradient;
use crate::network::norm;
use crate::network::pack::Packed;
use crate::network::workspace::Workspace;

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

/// One layer on its way back.
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
        let weight = &self.network.base.weights.layers[self.layer][POST_NORM];
        let mut product = self.workspace.take(trace.gate.len());
        let mut d_product = self.workspace.take(trace.gate.len());
        gated(&trace.gate, &trace.up, &mut product);
        self.linear(trace, DOWN, &product, dx, Some(overwrite(&mut d_product)));
        let (mut d_gate, mut d_up) = (product, d_product);
        gated_backward(&trace.gate, &trace.up, &mut d_up, &mut d_gate);

        let mut normed = self.workspace.take(trace.middle.len());
        norm::scaled(&trace.middle, weight, &trace.post_inverse, &mut normed);
        let mut d_normed = self.workspace.take(trace.middle.len());
        self.linear(trace, GATE, &normed, &d_gate, Some(overwrite(&mut d_normed)));
        let added = InputGradient { dx: &mut d_normed, store: Store::Add };
        self.linear(trace, UP, &normed, &d_up, Some(added));
        norm::backward(&trace.middle, weight, &trace.post_inverse, &d_normed, dx);
        if let Some(sum) = self.gradients.norm(self.layer, POST_NORM) {
            norm::backward_weight(&trace.middle, &trace.post_inverse, &d_normed, sum);
        }
        for buffer in [d_gate, d_up, normed, d_normed] {
            self.workspace.give(buffer);
        }
    }

    /// `dx` becomes the gradient of the layer's input.
    fn attention(&mut self, trace: &LayerTrace, dx: &mut [f32]) {
        let base = self.network.base;
        let (dims, weight) = (base.dims, &base.weights.layers[self.layer][INPUT_NORM]);
        let starts = &self.packed.starts;
        let mut d_mixed = self.workspace.take(trace.mixed.values.len());
        self.linear(trace, O, &trace.mixed.values, dx, Some(overwrite(&mut d_mixed)));
        let heads = Heads { q: &trace.q, k: &trace.k, v: &trace.v };
        let HeadGradients { mut dq, mut dk, dv } =
            attention::backward(dims, heads, starts, &trace.mixed, &d_mixed, self.workspace);
        self.rotation.undo(&mut dq, dims.q_width(), dims.head, starts);
        self.rotation.undo(&mut dk, dims.kv_width(), dims.head, starts);
        let dq = self.head_norm(trace, Q, Q_NORM, dq);
        let dk = self.head_norm(trace, K, K_NORM, dk);

        // Below the first layer there is only the embedding, which an adapter leaves frozen.
        let needed = self.layer > 0 || self.gradients.weights.is_some();
        let mut normed = self.workspace.take(trace.x.len());
        norm::scaled(&trace.x, weight, &trace.input_inverse, &mut normed);
        let mut d_normed = self.workspace.take(trace.x.len());
        let gradients = [(Q, &dq, Store::Overwrite), (K, &dk, Store::Add), (V, &dv, Store::Add)];
        for (module, dy, store) in gradients {
            let input = needed.then_some(InputGradient { dx: &mut d_normed, store });
            self.linear(trace, module, &normed, dy, input);
        }
        if needed {
            norm::backward(&trace.x, weight, &trace.input_inverse, &d_normed, dx);
        }
        if let Some(sum) = self.gradients.norm(self.layer, INPUT_NORM) {
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
        input: Option<InputGradient<'_>>,
    ) {
        let gradient = self.gradients.linear(self.layer, module);
        let linear = self.network.linear(self.layer, module);
        linear.backward(x, &trace.inner[module], dy, input, gradient, self.workspace);
    }

    /// Back through the norm of the heads of q or k, if the family has one.
    fn head_norm(&mut self, trace: &LayerTrace, module: usize, index: usize, dy: Vec<f32>) -> Vec<f32> {
        let weight = &self.network.base.weights.layers[self.layer][index];
        if weight.is_empty() {
            return dy;
        }
        let (raw, inverses) = (&trace.raw[module], &trace.head_inverses[module]);
        let mut d_raw = self.workspace.zeroed(dy.len());
        norm::backward(raw, weight, inverses, &dy, &mut d_raw);
        if let Some(sum) = self.gradients.norm(self.layer, index) {
            norm::backward_weight(raw, inverses, &dy, sum);
        }
        self.workspace.give(dy);
        d_raw
    }
}

fn overwrite(dx: &mut [f32]) -> InputGradient<'_> {
    InputGradient { dx, store: Store::Overwrite }
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
