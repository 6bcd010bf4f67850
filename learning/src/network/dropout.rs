//! Dropout that is drawn again instead of stored: the mask is a function of a key and the element's index.

/// The mask of one projection's adapter input in one step.
#[derive(Clone, Copy)]
pub(crate) struct DropoutMask {
    key: u64,
    threshold: u32,
    kept_scale: f32,
}

/// Where a shard's masks come from; `None` drops nothing.
#[derive(Clone, Copy)]
pub(crate) struct Dropout {
    /// Depends on the run's seed, the step and the shard.
    pub(crate) key: u64,
    pub(crate) rate: f32,
}

impl Dropout {
    pub(crate) fn new(rate: f32, seed: u64, step: usize, shard: usize) -> Option<Self> {
        let key = mix(mix(seed ^ 0x6472_6f70).wrapping_add(step as u64)).wrapping_add(shard as u64);
        (rate > 0.0).then_some(Self { key: mix(key), rate })
    }

    pub(crate) fn mask(self, layer: usize, module: usize) -> DropoutMask {
        DropoutMask {
            key: mix(self.key ^ (layer * 7 + module) as u64),
            threshold: (f64::from(self.rate) * 4_294_967_296.0) as u32,
            kept_scale: 1.0 / (1.0 - self.rate),
        }
    }
}

impl DropoutMask {
    /// Writes the kept elements of `x`, scaled up, and zeros.
    pub(crate) fn copy(self, x: &[f32], y: &mut [f32]) {
        for (index, (x, y)) in x.iter().zip(y).enumerate() {
            *y = x * self.factor(index);
        }
    }

    /// Adds the kept elements of `x`, scaled up, to `y`.
    pub(crate) fn add(self, x: &[f32], y: &mut [f32]) {
        for (index, (x, y)) in x.iter().zip(y).enumerate() {
            *y += x * self.factor(index);
        }
    }

    fn factor(self, index: usize) -> f32 {
        let drawn = (mix(self.key.wrapping_add(index as u64)) >> 32) as u32;
        if drawn < self.threshold { 0.0 } else { self.kept_scale }
    }
}

/// The finaliser of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_keeps_the_expected_part_and_the_mean() {
        let mask = Dropout::new(0.25, 7, 3, 1).unwrap().mask(2, 4);
        let mut y = vec![0.0; 100_000];
        mask.copy(&vec![1.0; 100_000], &mut y);
        let kept = y.iter().filter(|y| **y > 0.0).count();
        assert!((74_000..76_000).contains(&kept), "{kept}");
        assert!(y.iter().all(|y| *y == 0.0 || (*y - 4.0 / 3.0).abs() < 1e-6));
    }
}
