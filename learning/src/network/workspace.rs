//! Buffers that are used again from step to step, so that a step neither zeroes nor faults in fresh memory.

use parking_lot::Mutex;

use crate::kernels::{Mat, MatMut, Multiplier, Precision, Store};

/// The free buffers and the multiplier of one worker.
pub(crate) struct Workspace {
    free: Vec<Vec<f32>>,
    multiplier: Box<dyn Multiplier>,
}

impl Workspace {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { free: Vec::new(), multiplier: precision.multiplier() }
    }

    /// [`Multiplier::multiply`].
    pub(crate) fn multiply(&mut self, c: MatMut<'_>, store: Store, alpha: f32, a: Mat<'_>, b: Mat<'_>) {
        self.multiplier.multiply(c, store, alpha, a, b);
    }

    /// A buffer of `len` numbers with unspecified contents.
    pub(crate) fn take(&mut self, len: usize) -> Vec<f32> {
        let fit = (self.free.iter().enumerate())
            .filter(|(_, buffer)| buffer.capacity() >= len && buffer.capacity() <= len * 2)
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(index, _)| index);
        let mut buffer = fit.map_or_else(|| Vec::with_capacity(len), |index| self.free.swap_remove(index));
        buffer.resize(len, 0.0);
        buffer
    }

    /// A buffer of `len` zeros.
    pub(crate) fn zeroed(&mut self, len: usize) -> Vec<f32> {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// Takes a buffer back.
    pub(crate) fn give(&mut self, buffer: Vec<f32>) {
        const KEPT: usize = 1024;
        if buffer.capacity() > 0 {
            if self.free.len() == KEPT {
                self.free.swap_remove(0);
            }
            self.free.push(buffer);
        }
    }
}

/// Workspaces for as many shards as run at the same time.
pub(crate) struct Workspaces {
    idle: Mutex<Vec<Workspace>>,
    precision: Precision,
}

impl Workspaces {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { idle: Mutex::default(), precision }
    }

    /// Runs `work` with a workspace of its own.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Workspace) -> T) -> T {
        let mut workspace = self.idle.lock().pop().unwrap_or_else(|| Workspace::new(self.precision));
        let result = work(&mut workspace);
        self.idle.lock().push(workspace);
        result
    }
}
