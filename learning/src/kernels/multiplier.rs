//! `C = alpha · A · B`, or added to C: what a multiplier does, and the one in f32.

#![expect(
    unsafe_code,
    reason = "the matrix product takes raw pointers; the views' shapes prove their bounds"
)]
#![expect(clippy::many_single_char_names, reason = "the names of a matrix product")]

use crate::kernels::matrix::{Mat, MatMut};

/// Whether a product replaces what its target holds or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The target's contents do not matter.
    Overwrite,
    /// The product is added to the target.
    Add,
}

/// Makes the matrix products of one worker, on the calling thread.
pub trait Multiplier: Send {
    /// Stores `alpha · a · b` in `c`. Panics if the shapes do not fit together.
    fn multiply(&mut self, c: MatMut<'_>, store: Store, alpha: f32, a: Mat<'_>, b: Mat<'_>);
}

/// The sizes of a product: c is m × n, a is m × k and b is k × n.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of a and c.
    pub m: usize,
    /// Columns of b and c.
    pub n: usize,
    /// What is summed over.
    pub k: usize,
}

impl Shape {
    /// The sizes of `c = a · b`; `None` if there is nothing to compute. Panics if the shapes do not fit together.
    pub fn checked(c: &MatMut<'_>, store: Store, a: Mat<'_>, b: Mat<'_>) -> Option<Self> {
        let (m, n, k) = (a.rows(), b.columns(), a.columns());
        let fits = k == b.rows() && m == c.rows() && n == c.columns();
        assert!(fits, "{m}×{k} times {}×{n} is not {}×{}", b.rows(), c.rows(), c.columns());
        if m == 0 || n == 0 {
            return None;
        }
        assert!(k > 0 || store == Store::Add, "an empty product cannot overwrite");
        (k > 0).then_some(Self { m, n, k })
    }
}

/// Products in f32 throughout.
#[derive(Clone, Copy, Debug, Default)]
pub struct F32Multiplier;

impl Multiplier for F32Multiplier {
    fn multiply(&mut self, mut c: MatMut<'_>, store: Store, alpha: f32, a: Mat<'_>, b: Mat<'_>) {
        let Some(Shape { m, n, k }) = Shape::checked(&c, store, a, b) else { return };
        let stride = c.stride() as isize;
        // SAFETY: a view's elements lie within its slice, and `Shape::checked` has compared the views' shapes, so every
        // element that the product touches is inside. c is borrowed exclusively and so overlaps neither a nor b.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.data().as_mut_ptr(),
                1,
                stride,
                store == Store::Add,
                a.data().as_ptr(),
                a.column_stride() as isize,
                a.row_stride() as isize,
                b.data().as_ptr(),
                b.column_stride() as isize,
                b.row_stride() as isize,
                1.0,
                alpha,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strided_product_agrees_with_the_definition() {
        let (m, n, k) = (5, 7, 3);
        let a: Vec<f32> = (0..m * k).map(|i| i as f32 * 0.5 - 2.0).collect();
        let b: Vec<f32> = (0..n * k).map(|i| (i * i % 11) as f32 - 4.0).collect();
        let mut c = vec![1.0; m * (n + 2)];
        let target = MatMut::strided(&mut c, m, n, n + 2);
        F32Multiplier.multiply(target, Store::Add, 2.0, Mat::new(&a, k), Mat::new(&b, k).transposed());
        for i in 0..m {
            for j in 0..n + 2 {
                let sum: f32 = (0..k).map(|z| a[i * k + z] * b[j.min(n - 1) * k + z]).sum();
                let expected = if j < n { 1.0 + 2.0 * sum } else { 1.0 };
                assert!((c[i * (n + 2) + j] - expected).abs() < 1e-4, "({i}, {j})");
            }
        }
    }

    #[test]
    #[should_panic(expected = "is not")]
    fn matrices_that_do_not_fit_are_not_multiplied() {
        let (a, mut c) = ([0.0; 6], [0.0; 9]);
        let target = MatMut::new(&mut c, 3);
        F32Multiplier.multiply(target, Store::Overwrite, 1.0, Mat::new(&a, 3), Mat::new(&a, 3));
    }
}
