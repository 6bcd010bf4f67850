//! Which multiplier a run computes with.

use std::fmt;

use crate::kernels::multiplier::{F32Multiplier, Multiplier};

/// The arithmetic of the matrix products. Sums, norms, softmax, gradients and weights are f32 whichever it is.
///
/// The name stands in the fingerprint of saved runs, so two precisions never share one.
#[derive(Clone, Copy)]
pub struct Precision {
    name: &'static str,
    multiplier: fn() -> Box<dyn Multiplier>,
}

impl Precision {
    /// f32 throughout: the loss is the one that an f32 runtime answers with.
    pub const F32: Self = Self::new("F32", || Box::new(F32Multiplier));

    /// A precision by its name and by what makes the multiplier of a worker.
    pub const fn new(name: &'static str, multiplier: fn() -> Box<dyn Multiplier>) -> Self {
        Self { name, multiplier }
    }

    /// A multiplier for one worker.
    pub fn multiplier(self) -> Box<dyn Multiplier> {
        (self.multiplier)()
    }
}

impl Default for Precision {
    fn default() -> Self {
        Self::F32
    }
}

impl PartialEq for Precision {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_runs_know_a_precision_by_its_name() {
        assert_eq!(format!("{:?}", Precision::default()), "F32");
    }
}
