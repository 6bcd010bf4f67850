//! Stored weights as batches of values with their rows and columns: those of a version, and those in which two differ.

pub(crate) mod diff;
pub(crate) mod scan;

use std::ops::{Range, RangeInclusive};

use hyprstream_storage::Selection;

/// Which of the two matrices of a low-rank pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatrixKind {
    /// A: rank × in.
    A,
    /// B: out × rank.
    B,
}

impl MatrixKind {
    /// `A` or `B`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// The matrix that has this name in the store.
    fn named(name: &str) -> Self {
        if name == "A" { Self::A } else { Self::B }
    }
}

/// Which of an adapter's weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightFilter {
    /// Only these layers.
    pub layers: Option<RangeInclusive<u32>>,
    /// Only these modules, by PEFT name.
    pub modules: Option<Vec<String>>,
    /// Only this matrix.
    pub matrix: Option<MatrixKind>,
    /// Only these rows.
    pub rows: Option<RangeInclusive<u32>>,
    /// Only these columns.
    pub cols: Option<RangeInclusive<u32>>,
    /// At most this many values.
    pub limit: Option<usize>,
}

impl WeightFilter {
    /// What the store reads for it.
    fn selection(&self) -> Selection {
        let span = |range: &Option<RangeInclusive<u32>>| -> Range<usize> {
            let range = range.as_ref().map(|range| *range.start() as usize..*range.end() as usize + 1);
            range.unwrap_or(0..usize::MAX)
        };
        Selection {
            layers: self.layers.clone().unwrap_or(0..=u32::MAX),
            modules: self.modules.as_ref().map(|modules| modules.iter().cloned().collect()),
            matrix: self.matrix.map(|matrix| matrix.as_str().to_owned()),
            rows: span(&self.rows),
            cols: span(&self.cols),
        }
    }
}

/// Some active values of one matrix, in row-major order; the three vectors have one length.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightBatch {
    /// The layer.
    pub layer: u32,
    /// PEFT name of the module.
    pub module: String,
    /// A or B.
    pub matrix: MatrixKind,
    /// Rows of the values.
    pub rows: Vec<u32>,
    /// Columns of the values.
    pub cols: Vec<u32>,
    /// The values.
    pub values: Vec<f32>,
}

/// Some weights of one matrix in which two versions differ; the four vectors have one length.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightDifferenceBatch {
    /// The layer.
    pub layer: u32,
    /// PEFT name of the module.
    pub module: String,
    /// A or B.
    pub matrix: MatrixKind,
    /// Rows of the weights.
    pub rows: Vec<u32>,
    /// Columns of the weights.
    pub cols: Vec<u32>,
    /// Their values in the first version; `None` where its matrix does not reach or is not there.
    pub old_values: Vec<Option<f32>>,
    /// Their values in the second version, likewise.
    pub new_values: Vec<Option<f32>>,
}
