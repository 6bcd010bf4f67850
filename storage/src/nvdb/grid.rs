//! `NanoVDB` files: a version of an adapter as one float grid, and back.
//!
//! The elements of all matrices are laid out one after the other, row by row, each matrix beginning at a multiple of
//! 512; element `e` is voxel `e % 512` of leaf `e / 512`, leaves fill a lower node of 16³ and lower nodes stand
//! beside each other along x. Active elements are active voxels. A blind-data channel named `hyprstream.matrices`
//! lists the matrices, so that an import restores them; readers that do not know it skip it.
//!
//! What is written is version 32.4.2 with magic `NanoVDB0`, codec NONE and the Half checksum, which old and new
//! releases of the library read and validate. Grids of other writers are read as coordinates and values.

mod layout;
mod manifest;
mod reader;
mod replace;
mod scaled;
mod writer;

use std::path::Path;

use crate::error::{Error, Result};
use crate::grid::{DataType, MatrixPath, Shape, Snapshot, UpdateBatch, WriteTransaction};

/// A float grid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NvdbGrid {
    /// The grid's name.
    pub name: String,
    /// Active voxels and their values, in the order in which the file has them.
    pub voxels: Vec<([i32; 3], f32)>,
    /// The matrices that the voxels are elements of, when the file was written by [`export_nvdb`].
    pub matrices: Option<Vec<NvdbMatrix>>,
}

/// A matrix of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct NvdbMatrix {
    /// The layer.
    pub layer: u32,
    /// The module.
    pub module: String,
    /// The matrix.
    pub matrix: String,
    /// Its shape.
    pub shape: Shape,
    /// How its numbers were stored.
    pub dtype: DataType,
    /// What int8 values are multiplied by; `None` for the other types, and where the file does not say.
    pub scale: Option<f32>,
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

/// Writes a version as a `NanoVDB` file, replacing a file of that name once the new one is whole and on disk.
pub fn export_nvdb(snapshot: &Snapshot, adapter: &str, version: &str, path: &Path) -> Result<NvdbSummary> {
    let mut matrices = Vec::new();
    for info in snapshot.matrices(adapter, version)? {
        let Some(matrix) = snapshot.matrix(&info.path)? else {
            continue;
        };
        let mut elements = Vec::new();
        matrix.for_each_active(0..info.shape.rows, 0..info.shape.cols, &mut |row, col, value| {
            elements.push((narrow(row), narrow(col), value));
            Ok(())
        })?;
        elements.sort_unstable_by_key(|(row, col, _)| (*row, *col));
        matrices.push(NvdbMatrix {
            layer: info.path.layer,
            module: info.path.module,
            matrix: info.path.matrix,
            shape: info.shape,
            dtype: info.dtype,
            scale: (info.dtype == DataType::Int8).then_some(info.scale),
            elements,
        });
    }
    if matrices.is_empty() {
        return Err(Error::NotFound { kind: "version with matrices", name: format!("{adapter}@{version}") });
    }
    let bytes = writer::encode(&format!("{adapter}@{version}"), &matrices)?;
    replace::replace_file(path, &bytes)?;
    let active = matrices.iter().map(|matrix| matrix.elements.len() as u64).sum();
    Ok(NvdbSummary { matrices: matrices.len(), active, bytes: bytes.len() as u64 })
}

/// Reads the first grid of a `NanoVDB` file, which must be a float grid without compression.
pub fn import_nvdb(path: &Path) -> Result<NvdbGrid> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    parse_nvdb(path, &bytes)
}

/// Reads a `NanoVDB` file that is in memory; `path` names it in errors.
pub fn parse_nvdb(path: &Path, bytes: &[u8]) -> Result<NvdbGrid> {
    reader::decode(bytes)
        .map_err(|problem| Error::corrupt(path, problem.offset as u64, "a NanoVDB grid", problem.reason))
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
            if matrix.dtype == DataType::Int8 || matrix.elements.len() > elements / 16 {
                let mut values = vec![0.0; elements];
                for (row, col, value) in &matrix.elements {
                    if let Some(slot) = values.get_mut(*row as usize * matrix.shape.cols + *col as usize) {
                        *slot = *value;
                    }
                }
                if matrix.dtype == DataType::Int8 {
                    scaled::put_int8(write, &path, matrix.shape, &mut values, matrix.scale)?;
                } else {
                    write.put_matrix(&path, matrix.shape, matrix.dtype, &values)?;
                }
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

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
