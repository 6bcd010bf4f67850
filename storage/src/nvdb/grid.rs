//! A float grid, and its matrices.

use crate::error::{Error, Result};
use crate::grid::path::{DataType, MatrixPath, Shape};
use crate::grid::transaction::WriteTransaction;
use crate::grid::write::update::UpdateBatch;

/// What a `NanoVDB` file holds: one float grid, as voxels and, when it was exported here, as matrices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NvdbGrid {
    /// The grid's name.
    pub name: String,
    /// Active voxels and their values, in the order in which the file has them.
    pub voxels: Vec<([i32; 3], f32)>,
    /// The matrices that the voxels are elements of, when the file was written by [`export_nvdb`](crate::export_nvdb).
    pub matrices: Option<Vec<NvdbMatrix>>,
}

/// A matrix of a grid, with its active elements alone.
#[derive(Clone, Debug, PartialEq)]
pub struct NvdbMatrix {
    /// The layer; what belongs to no layer has a number that no layer has.
    pub layer: u32,
    /// The module by its name in the model's files: `q_proj`.
    pub module: String,
    /// Which matrix of the module: `A`, `B`, `delta`.
    pub matrix: String,
    /// Rows × columns.
    pub shape: Shape,
    /// How its numbers were stored.
    pub dtype: DataType,
    /// Active elements: row, column, value.
    pub elements: Vec<(u32, u32, f32)>,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvdbSummary {
    /// Matrices.
    pub matrices: usize,
    /// Active elements.
    pub active: u64,
    /// Length of the file.
    pub bytes: u64,
}

impl NvdbGrid {
    /// Puts the matrices into a draft, which is made when it is missing. A grid without a list of matrices is an
    /// argument error, because nothing says what its voxels mean.
    pub fn store(&self, write: &mut WriteTransaction<'_>, adapter: &str, version: &str) -> Result<()> {
        let matrices = self.matrices.as_ref().ok_or_else(|| {
            Error::argument(
                "path",
                format!("the grid {:?} does not list matrices; it was not exported here", self.name),
            )
        })?;
        for matrix in matrices {
            let path = MatrixPath::new(adapter, version, matrix.layer, &*matrix.module, &*matrix.matrix);
            let elements = matrix.shape.elements()?;
            if matrix.elements.len() > elements / 16 {
                let mut values = vec![0.0; elements];
                for (row, col, value) in &matrix.elements {
                    if let Some(target) = values.get_mut(*row as usize * matrix.shape.cols + *col as usize) {
                        *target = *value;
                    }
                }
                write.put_matrix(&path, matrix.shape, matrix.dtype, &values)?;
                continue;
            }
            write.put_empty_matrix(&path, matrix.shape, matrix.dtype)?;
            let mut batch = UpdateBatch::new();
            batch.set(&path, &matrix.elements);
            write.apply(&batch)?;
        }
        Ok(())
    }
}
