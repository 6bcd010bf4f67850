//! The shape and the type of a matrix, as its chunks need them.

use crate::grid::format::geometry::Geometry;
use crate::grid::format::value::MatrixRecord;
use crate::grid::path::DataType;

/// What must be known of a matrix to read its chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) dtype: DataType,
}

impl Layout {
    pub(crate) fn of(record: &MatrixRecord) -> Self {
        Self { geometry: Geometry::new(record.rows, record.cols), dtype: record.dtype }
    }
}
