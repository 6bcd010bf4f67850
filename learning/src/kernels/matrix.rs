//! `C = alpha · A · B`, or added to C, over strided views.

#![expect(unsafe_code, reason = "the matrix product takes raw pointers; `Mat::check` proves their bounds")]
#![expect(clippy::many_single_char_names, reason = "the names of a matrix product")]

use crate::options::Precision;

/// A matrix read from a slice: element (i, j) is `data[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> Mat<'a> {
    /// Rows stand one after the other, `width` apart.
    pub(crate) fn rows(data: &'a [f32], width: usize) -> Self {
        Self { data, row: width, column: 1 }
    }

    /// The transpose of [`Mat::rows`].
    pub(crate) fn transposed(data: &'a [f32], width: usize) -> Self {
        Self { data, row: 1, column: width }
    }

    pub(super) fn data(&self) -> &'a [f32] {
        self.data
    }

    pub(super) fn row_stride(&self) -> usize {
        self.row
    }

    pub(super) fn column_stride(&self) -> usize {
        self.column
    }

    /// The transpose.
    pub(super) fn turned(self) -> Self {
        Self { data: self.data, row: self.column, column: self.row }
    }

    fn check(&self, rows: usize, columns: usize) {
        let last = (rows - 1) * self.row + (columns - 1) * self.column;
        assert!(last < self.data.len(), "matrix view of {rows}×{columns} leaves its slice");
    }
}

/// Makes the matrix products of one worker.
pub(crate) struct Multiplier {
    precision: Precision,
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    packs: super::amx::Packs,
}

impl Multiplier {
    pub(crate) fn new(precision: Precision) -> Self {
        Self {
            precision,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            packs: super::amx::Packs::default(),
        }
    }

    /// Writes (or adds, when `accumulate`) `alpha · a · b` with a of m × k and b of k × n into `c`, whose rows
    /// are `width` apart. Runs on the calling thread.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a matrix product")]
    pub(crate) fn multiply(
        &mut self,
        c: &mut [f32],
        width: usize,
        (m, n, k): (usize, usize, usize),
        a: Mat<'_>,
        b: Mat<'_>,
        alpha: f32,
        accumulate: bool,
    ) {
        if m == 0 || n == 0 || k == 0 {
            assert!(accumulate || m == 0 || n == 0, "an empty product cannot overwrite");
            return;
        }
        a.check(m, k);
        b.check(k, n);
        assert!(n <= width && (m - 1) * width + n <= c.len(), "result of {m}×{n} leaves its slice");
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.precision == Precision::Bf16 && super::amx::available() {
            return super::amx::matmul(c, width, (m, n, k), a, b, (alpha, accumulate), &mut self.packs);
        }
        single(c, width, (m, n, k), a, b, (alpha, accumulate));
    }
}

/// The product in f32, after the checks of [`Multiplier::multiply`].
fn single(
    c: &mut [f32],
    width: usize,
    (m, n, k): (usize, usize, usize),
    a: Mat<'_>,
    b: Mat<'_>,
    (alpha, accumulate): (f32, bool),
) {
    // SAFETY: the caller's assertions bound every element the product touches: a and b are read within their
    // slices, c is written within its slice, which is borrowed exclusively and so overlaps neither.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            width as isize,
            accumulate,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
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
        Multiplier::new(Precision::F32).multiply(
            &mut c,
            n + 2,
            (m, n, k),
            Mat::rows(&a, k),
            Mat::transposed(&b, k),
            2.0,
            true,
        );
        for i in 0..m {
            for j in 0..n + 2 {
                let sum: f32 = (0..k).map(|z| a[i * k + z] * b[j.min(n - 1) * k + z]).sum();
                let expected = if j < n { 1.0 + 2.0 * sum } else { 1.0 };
                assert!((c[i * (n + 2) + j] - expected).abs() < 1e-4, "({i}, {j})");
            }
        }
    }

    #[test]
    #[should_panic(expected = "leaves its slice")]
    fn a_view_past_its_slice_is_refused() {
        let a = [0.0; 8];
        let mut c = [0.0; 9];
        Multiplier::new(Precision::F32).multiply(
            &mut c,
            3,
            (3, 3, 3),
            Mat::rows(&a, 3),
            Mat::rows(&a, 3),
            1.0,
            false,
        );
    }
}
