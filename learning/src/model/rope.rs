//! Rotary position embedding (2104.09864) in the half-split form that Hugging Face models use.

use hyprstream_models::ModelConfig;

/// The frequencies of a model's rotation.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    frequencies: Vec<f32>,
}

/// Cosines and sines of the positions `0..len`, [len, head / 2] each.
pub(crate) struct Rotation {
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rope {
    pub(crate) fn new(config: &ModelConfig) -> Self {
        Self {
            frequencies: config.rope_frequencies().into_iter().map(|frequency| frequency as f32).collect(),
        }
    }

    pub(crate) fn rotation(&self, len: usize) -> Rotation {
        let angles = || (0..len).flat_map(|p| self.frequencies.iter().map(move |f| p as f32 * f));
        Rotation { cosines: angles().map(f32::cos).collect(), sines: angles().map(f32::sin).collect() }
    }
}

impl Rotation {
    /// Rotates the heads of `rows` (each `width` wide, `head` a head), whose sequences begin at `starts`.
    pub(crate) fn apply(&self, rows: &mut [f32], width: usize, head: usize, starts: &[usize]) {
        self.rotate(rows, width, head, starts, 1.0);
    }

    /// Rotates back, which is also the gradient of [`Rotation::apply`].
    pub(crate) fn undo(&self, rows: &mut [f32], width: usize, head: usize, starts: &[usize]) {
        self.rotate(rows, width, head, starts, -1.0);
    }

    fn rotate(&self, rows: &mut [f32], width: usize, head: usize, starts: &[usize], sign: f32) {
        let half = head / 2;
        for bounds in starts.windows(2) {
            let sequence = &mut rows[bounds[0] * width..bounds[1] * width];
            for (position, row) in sequence.chunks_exact_mut(width).enumerate() {
                let cosines = &self.cosines[position * half..][..half];
                let sines = &self.sines[position * half..][..half];
                for values in row.chunks_exact_mut(head) {
                    let (first, second) = values.split_at_mut(half);
                    for index in 0..half {
                        let (x, y) = (first[index], second[index]);
                        let (cosine, sine) = (cosines[index], sines[index] * sign);
                        first[index] = x * cosine - y * sine;
                        second[index] = y * cosine + x * sine;
                    }
                }
            }
        }
    }
}
