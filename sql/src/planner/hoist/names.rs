//! Names for columns that calls and conditions go to.

/// Gives names that are unique in one statement.
#[derive(Debug, Default)]
pub(super) struct Names {
    used: usize,
}

impl Names {
    pub(super) fn next(&mut self, function: &str) -> String {
        self.used += 1;
        format!("__{function}_{}", self.used)
    }
}
