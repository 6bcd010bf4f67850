//! Names and shapes: what a matrix is called, how large it is and what its numbers are.

use crate::error::{Error, Result};

/// Longest adapter, version, tag, module or matrix name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Most elements of one matrix.
pub const MAX_ELEMENTS: u64 = 1 << 36;

/// A version of an adapter, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionPath<'a> {
    /// The adapter's name.
    pub adapter: &'a str,
    /// The version's name: `3`, or `run-7.step-100`.
    pub version: &'a str,
}

impl<'a> VersionPath<'a> {
    /// The version of this adapter and name, whether or not it exists.
    pub const fn new(adapter: &'a str, version: &'a str) -> Self {
        Self { adapter, version }
    }
}

impl std::fmt::Display for VersionPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.adapter, self.version)
    }
}

/// Where a matrix lives: adapter / version / layer / module / matrix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatrixPath {
    /// The adapter's name.
    pub adapter: String,
    /// A version of it: a number as people see it (`3`), or a name (`run-7.step-100`).
    pub version: String,
    /// The layer; what belongs to no layer takes a number that no layer has.
    pub layer: u32,
    /// The module, by its name in the model's files: `q_proj`.
    pub module: String,
    /// Which matrix of the module: `A`, `B`, `delta`.
    pub matrix: String,
}

impl MatrixPath {
    /// A path of these five components. Whether the names may be stored is checked where they are.
    pub fn new(
        adapter: impl Into<String>,
        version: impl Into<String>,
        layer: u32,
        module: impl Into<String>,
        matrix: impl Into<String>,
    ) -> Self {
        Self {
            adapter: adapter.into(),
            version: version.into(),
            layer,
            module: module.into(),
            matrix: matrix.into(),
        }
    }
}

impl std::fmt::Display for MatrixPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}/{}/{}/{}", self.adapter, self.version, self.layer, self.module, self.matrix)
    }
}

/// Rows × columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of rows, at least 1 and at most 2^32 − 1.
    pub rows: usize,
    /// Number of columns, at least 1 and at most 2^32 − 1.
    pub cols: usize,
}

impl Shape {
    /// `rows` × `cols`.
    pub fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols }
    }

    /// Rows times columns, or an argument error when the matrix is empty or too large to store.
    pub fn elements(self) -> Result<usize> {
        let fits = |n: usize| n > 0 && u32::try_from(n).is_ok();
        match self.rows.checked_mul(self.cols) {
            Some(n) if fits(self.rows) && fits(self.cols) && n as u64 <= MAX_ELEMENTS => Ok(n),
            _ => Err(Error::argument(
                "shape",
                format!("{} x {} must be between 1 and {MAX_ELEMENTS} elements", self.rows, self.cols),
            )),
        }
    }
}

/// How the numbers of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// 32-bit floats, bit for bit.
    F32,
    /// 16-bit IEEE floats, rounded to nearest even on writing.
    F16,
}

impl DataType {
    /// Bytes of one stored value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::argument(what, format!("{name:?} must be 1 to {MAX_NAME_BYTES} bytes long")));
    }
    if name.contains('\0') {
        return Err(Error::argument(what, format!("{name:?} must not contain the NUL character")));
    }
    Ok(())
}
