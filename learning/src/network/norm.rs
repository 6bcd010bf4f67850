//! RMS normalisation (1910.07467) of rows, forward and backward.

use crate::kernels::dot;

/// Writes the normalised rows of `x` to `y` and the inverse root mean squares to `inverse`.
pub(crate) fn forward(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32], inverse: &mut [f32]) {
    let width = weight.len();
    for ((x, y), inverse) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse) {
        *inverse = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
        scale_row(x, weight, *inverse, y);
    }
}

/// Writes the normalised rows of `x` to `y`, from their inverse root mean squares.
pub(crate) fn scaled(x: &[f32], weight: &[f32], inverse: &[f32], y: &mut [f32]) {
    let width = weight.len();
    for ((x, y), inverse) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse) {
        scale_row(x, weight, *inverse, y);
    }
}

/// Adds the gradient with respect to `x` to `dx`.
pub(crate) fn backward(x: &[f32], weight: &[f32], inverse: &[f32], dy: &[f32], dx: &mut [f32]) {
    let width = weight.len();
    let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
    for (((x, dy), dx), &inverse) in rows.zip(inverse) {
        let along = dot_weighted(x, dy, weight) * inverse * inverse * inverse / width as f32;
        for (((dx, x), dy), weight) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
            *dx += dy * weight * inverse - x * along;
        }
    }
}

/// Adds the gradient with respect to the weight to `dw`.
pub(crate) fn backward_weight(x: &[f32], inverse: &[f32], dy: &[f32], dw: &mut [f32]) {
    let width = dw.len();
    for ((x, dy), &inverse) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(inverse) {
        for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
            *dw += x * dy * inverse;
        }
    }
}

fn scale_row(x: &[f32], weight: &[f32], inverse: f32, y: &mut [f32]) {
    for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
        *y = x * inverse * weight;
    }
}

fn dot_weighted(x: &[f32], y: &[f32], weight: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let mut rest = 0.0;
    let whole = x.len() / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let (x, y, weight) =
            (&x[start..start + LANES], &y[start..start + LANES], &weight[start..start + LANES]);
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane] * weight[lane];
        }
    }
    for index in whole..x.len() {
        rest += x[index] * y[index] * weight[index];
    }
    sums.iter().sum::<f32>() + rest
}
