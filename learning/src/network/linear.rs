//! A projection with its bias and its adapter, forward and backward: one code path for a frozen matrix under
//! an adapter and for a matrix that is trained itself.

use crate::adapter::Pair;
use crate::kernels::{Mat, MatMut, Store, add};
use crate::network::dropout::DropoutMask;
use crate::network::workspace::Workspace;

/// A projection as it stands in a step.
pub(crate) struct Linear<'a> {
    /// [out, in].
    pub(crate) weight: Mat<'a>,
    /// Empty if there is none.
    pub(crate) bias: &'a [f32],
    pub(crate) lora: Option<LowRank<'a>>,
}

/// The adapter of a projection.
pub(crate) struct LowRank<'a> {
    /// [rank, in].
    pub(crate) a: Mat<'a>,
    /// [out, rank].
    pub(crate) b: Mat<'a>,
    pub(crate) scale: f32,
    pub(crate) mask: Option<DropoutMask>,
}

/// What the forward pass of a projection made, from the workspace.
pub(crate) struct Projected {
    /// [n, out].
    pub(crate) y: Vec<f32>,
    /// The adapter's inner activations u = A x, [n, rank]; empty without an adapter.
    pub(crate) inner: Vec<f32>,
}

/// Where the gradients of a projection go; what is `None` is frozen.
#[derive(Default)]
pub(crate) struct LinearGradient<'a> {
    pub(crate) weight: Option<&'a mut [f32]>,
    pub(crate) bias: Option<&'a mut [f32]>,
    pub(crate) lora: Option<&'a mut Pair>,
}

/// Where the gradient of an input goes, and whether it is added to what is there.
pub(crate) struct InputGradient<'a> {
    pub(crate) dx: &'a mut [f32],
    pub(crate) store: Store,
}

impl Linear<'_> {
    /// The projection of the rows of `x`.
    pub(crate) fn forward(&self, x: &[f32], workspace: &mut Workspace) -> Projected {
        let (out, columns) = (self.weight.rows(), self.weight.columns());
        let x_rows = Mat::new(x, columns);
        let mut y = workspace.take(x_rows.rows() * out);
        let target = MatMut::new(&mut y, out);
        workspace.multiply(target, Store::Overwrite, 1.0, x_rows, self.weight.transposed());
        if !self.bias.is_empty() {
            y.chunks_exact_mut(out).for_each(|row| add(row, self.bias));
        }
        let Some(lora) = &self.lora else {
            return Projected { y, inner: Vec::new() };
        };
        let rank = lora.a.rows();
        let mut inner = workspace.take(x_rows.rows() * rank);
        let dropped = lora.dropped(x, workspace);
        let input = Mat::new(dropped.as_deref().unwrap_or(x), columns);
        workspace.multiply(MatMut::new(&mut inner, rank), Store::Overwrite, 1.0, input, lora.a.transposed());
        let (target, u) = (MatMut::new(&mut y, out), Mat::new(&inner, rank));
        workspace.multiply(target, Store::Add, lora.scale, u, lora.b.transposed());
        workspace.give(dropped.unwrap_or_default());
        Projected { y, inner }
    }

    /// Adds the gradients of the parameters to `gradient`, and stores that of x in `input` when there is one.
    pub(crate) fn backward(
        &self,
        x: &[f32],
        inner: &[f32],
        dy: &[f32],
        input: Option<InputGradient<'_>>,
        gradient: LinearGradient<'_>,
        workspace: &mut Workspace,
    ) {
        let (out, columns) = (self.weight.rows(), self.weight.columns());
        let dy_rows = Mat::new(dy, out);
        if let Some(weight) = gradient.weight {
            let target = MatMut::new(weight, columns);
            workspace.multiply(target, Store::Add, 1.0, dy_rows.transposed(), Mat::new(x, columns));
        }
        if let Some(bias) = gradient.bias {
            dy.chunks_exact(out).for_each(|row| add(bias, row));
        }
        let dx = input.map(|InputGradient { dx, store }| {
            workspace.multiply(MatMut::new(dx, columns), store, 1.0, dy_rows, self.weight);
            dx
        });
        if let Some(lora) = &self.lora {
            lora.backward(x, inner, dy_rows, dx, gradient.lora, workspace);
        }
    }
}

impl LowRank<'_> {
    /// Adds the gradients of A and B to `gradient`, and that of x to `dx`.
    fn backward(
        &self,
        x: &[f32],
        inner: &[f32],
        dy: Mat<'_>,
        dx: Option<&mut [f32]>,
        gradient: Option<&mut Pair>,
        workspace: &mut Workspace,
    ) {
        let (rank, columns) = (self.a.rows(), self.a.columns());
        let mut du = workspace.take(dy.rows() * rank);
        workspace.multiply(MatMut::new(&mut du, rank), Store::Overwrite, self.scale, dy, self.b);
        if let Some(pair) = gradient {
            let Pair { a, b } = pair;
            let target = MatMut::new(b, rank);
            workspace.multiply(target, Store::Add, self.scale, dy.transposed(), Mat::new(inner, rank));
            let dropped = self.dropped(x, workspace);
            let input = Mat::new(dropped.as_deref().unwrap_or(x), columns);
            let target = MatMut::new(a, columns);
            workspace.multiply(target, Store::Add, 1.0, Mat::new(&du, rank).transposed(), input);
            workspace.give(dropped.unwrap_or_default());
        }
        if let Some(dx) = dx {
            self.add_input_gradient(Mat::new(&du, rank), dx, workspace);
        }
        workspace.give(du);
    }

    /// The input after dropout, if there is dropout.
    fn dropped(&self, x: &[f32], workspace: &mut Workspace) -> Option<Vec<f32>> {
        self.mask.map(|mask| {
            let mut kept = workspace.take(x.len());
            mask.copy(x, &mut kept);
            kept
        })
    }

    fn add_input_gradient(&self, du: Mat<'_>, dx: &mut [f32], workspace: &mut Workspace) {
        let columns = self.a.columns();
        let Some(mask) = self.mask else {
            return workspace.multiply(MatMut::new(dx, columns), Store::Add, 1.0, du, self.a);
        };
        let mut through = workspace.take(dx.len());
        workspace.multiply(MatMut::new(&mut through, columns), Store::Overwrite, 1.0, du, self.a);
        mask.add(&through, dx);
        workspace.give(through);
    }
}
