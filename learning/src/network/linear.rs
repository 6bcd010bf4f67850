//! A projection with its bias and its adapter, forward and backward: one code path for a frozen matrix under
//! an adapter and for a matrix that is trained itself.

use crate::dropout::Mask;
use crate::kernels::{Mat, add};
use crate::lora::Pair;
use crate::workspace::Workspace;

/// A projection as it stands in a step.
pub(crate) struct Linear<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// [rows, columns].
    pub(crate) weight: &'a [f32],
    /// Empty if there is none.
    pub(crate) bias: &'a [f32],
    pub(crate) lora: Option<Low<'a>>,
}

/// The adapter of a projection.
pub(crate) struct Low<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) rank: usize,
    pub(crate) scale: f32,
    pub(crate) mask: Option<Mask>,
}

/// Where the gradients of a projection go; what is `None` is frozen.
#[derive(Default)]
pub(crate) struct LinearGradient<'a> {
    pub(crate) weight: Option<&'a mut [f32]>,
    pub(crate) bias: Option<&'a mut [f32]>,
    pub(crate) lora: Option<&'a mut Pair>,
}

impl Linear<'_> {
    /// Answers y and the adapter's inner activations u = A x (empty without an adapter), both from `workspace`.
    #[expect(clippy::many_single_char_names, reason = "the names of the formula")]
    pub(crate) fn forward(&self, x: &[f32], workspace: &mut Workspace) -> (Vec<f32>, Vec<f32>) {
        let (rows, columns) = (self.rows, self.columns);
        let n = x.len() / columns;
        let mut y = workspace.take(n * rows);
        workspace.matmul(
            &mut y,
            rows,
            (n, rows, columns),
            Mat::rows(x, columns),
            Mat::transposed(self.weight, columns),
            1.0,
            false,
        );
        if !self.bias.is_empty() {
            y.chunks_exact_mut(rows).for_each(|row| add(row, self.bias));
        }
        let Some(low) = &self.lora else {
            return (y, Vec::new());
        };
        let rank = low.rank;
        let mut u = workspace.take(n * rank);
        let dropped = low.dropped(x, workspace);
        let input = dropped.as_deref().unwrap_or(x);
        let a = Mat::transposed(&low.pair.a, columns);
        workspace.matmul(&mut u, rank, (n, rank, columns), Mat::rows(input, columns), a, 1.0, false);
        let b = Mat::transposed(&low.pair.b, rank);
        workspace.matmul(&mut y, rows, (n, rows, rank), Mat::rows(&u, rank), b, low.scale, true);
        workspace.give(dropped.unwrap_or_default());
        (y, u)
    }

    /// Adds the gradients of the parameters to `gradient`, and the gradient of x to `dx` when there is one
    /// (overwriting it if not `accumulate`).
    pub(crate) fn backward(
        &self,
        x: &[f32],
        u: &[f32],
        dy: &[f32],
        dx: Option<(&mut [f32], bool)>,
        gradient: LinearGradient<'_>,
        workspace: &mut Workspace,
    ) {
        let (rows, columns) = (self.rows, self.columns);
        let n = x.len() / columns;
        if let Some(weight) = gradient.weight {
            let shape = (rows, columns, n);
            workspace.matmul(
                weight,
                columns,
                shape,
                Mat::transposed(dy, rows),
                Mat::rows(x, columns),
                1.0,
                true,
            );
        }
        if let Some(bias) = gradient.bias {
            dy.chunks_exact(rows).for_each(|row| add(bias, row));
        }
        let dx = dx.map(|(dx, accumulate)| {
            let weight = Mat::rows(self.weight, columns);
            workspace.matmul(dx, columns, (n, columns, rows), Mat::rows(dy, rows), weight, 1.0, accumulate);
            dx
        });
        let Some(low) = &self.lora else { return };
        let rank = low.rank;
        let mut du = workspace.take(n * rank);
        let b = Mat::rows(&low.pair.b, rank);
        workspace.matmul(&mut du, rank, (n, rank, rows), Mat::rows(dy, rows), b, low.scale, false);
        if let Some(Pair { a, b }) = gradient.lora {
            let shape = (rows, rank, n);
            workspace.matmul(b, rank, shape, Mat::transposed(dy, rows), Mat::rows(u, rank), low.scale, true);
            let dropped = low.dropped(x, workspace);
            let input = Mat::rows(dropped.as_deref().unwrap_or(x), columns);
            workspace.matmul(a, columns, (rank, columns, n), Mat::transposed(&du, rank), input, 1.0, true);
            workspace.give(dropped.unwrap_or_default());
        }
        if let Some(dx) = dx {
            low.add_input_gradient(&du, columns, dx, workspace);
        }
        workspace.give(du);
    }
}

impl Low<'_> {
    /// The input after dropout, if there is dropout.
    fn dropped(&self, x: &[f32], workspace: &mut Workspace) -> Option<Vec<f32>> {
        self.mask.map(|mask| {
            let mut kept = workspace.take(x.len());
            mask.copy(x, &mut kept);
            kept
        })
    }

    fn add_input_gradient(&self, du: &[f32], columns: usize, dx: &mut [f32], workspace: &mut Workspace) {
        let (rank, n) = (self.rank, du.len() / self.rank);
        let (du, a) = (Mat::rows(du, rank), Mat::rows(&self.pair.a, columns));
        let Some(mask) = self.mask else {
            return workspace.matmul(dx, columns, (n, columns, rank), du, a, 1.0, true);
        };
        let mut through = workspace.take(n * columns);
        workspace.matmul(&mut through, columns, (n, columns, rank), du, a, 1.0, false);
        mask.add(&through, dx);
        workspace.give(through);
    }
}
