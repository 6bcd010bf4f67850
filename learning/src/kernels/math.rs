//! Element-wise arithmetic in a form that the compiler turns into vector instructions.

const LANES: usize = 16;

/// The exponential, accurate to 2 units in the last place, without a call so that loops over it vectorise
/// (Cephes' polynomial). Below −87 it is 0 to within f32's normal range, above 88 it stays at e⁸⁸.
#[inline]
#[expect(clippy::many_single_char_names, reason = "the names of the polynomial")]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = x.mul_add(std::f32::consts::LOG2_E, ROUND) - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_2e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 0.166_666_65);
    let p = p.mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    y * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// The logistic function.
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The inner product.
#[inline]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The sum of squares.
#[inline]
pub fn square_sum(x: &[f32]) -> f32 {
    dot(x, x)
}

/// `y += x`.
pub fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// `y += factor · x`.
#[inline]
pub fn axpy(y: &mut [f32], factor: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x.mul_add(factor, *y);
    }
}

/// `x *= factor`.
pub fn scale(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}

/// Replaces values by their exponentials relative to the greatest; returns the greatest and the sum.
pub fn exponentials(values: &mut [f32]) -> (f32, f32) {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for lane in 0..LANES {
            tops[lane] = if chunk[lane] > tops[lane] { chunk[lane] } else { tops[lane] };
        }
    }
    let greatest = tops.into_iter().fold(rest, f32::max);
    let mut sums = [0.0f32; LANES];
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - greatest);
            sums[lane] += chunk[lane];
        }
    }
    let mut sum = 0.0;
    for value in chunks.into_remainder() {
        *value = exp(*value - greatest);
        sum += *value;
    }
    (greatest, sum + sums.iter().sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_agrees_with_the_library() {
        for step in -8600..8800 {
            let x = step as f32 * 0.01;
            let expected = x.exp();
            assert!(((exp(x) - expected) / expected).abs() < 4e-7, "exp({x}) = {} not {expected}", exp(x));
        }
        assert!(exp(-1e9) < 2e-38);
    }

    #[test]
    fn the_inner_product_counts_the_remainder() {
        let x: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(dot(&x, &[2.0; 37]).to_bits(), (36.0_f32 * 37.0).to_bits());
    }
}
