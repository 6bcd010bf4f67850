//! Export of a version and import of a file.

use std::path::Path;

use super::grid::{NvdbGrid, NvdbMatrix, NvdbSummary};
use super::reader::Problem;
use super::{reader, replace, writer};
use crate::error::{DisplayPath, Error, Result};
use crate::grid::read::snapshot::Snapshot;
use crate::integer::field_u32;

/// Writes a version as a `NanoVDB` file, replacing a file of that name once the new one is whole and on disk.
pub fn export_nvdb(snapshot: &Snapshot, adapter: &str, version: &str, path: &Path) -> Result<NvdbSummary> {
    let mut matrices = Vec::new();
    for info in snapshot.matrices(adapter, version)? {
        let Some(matrix) = snapshot.matrix(&info.path)? else {
            continue;
        };
        let mut elements = Vec::new();
        matrix.for_each_active(0..info.shape.rows, 0..info.shape.cols, &mut |row, col, value| {
            elements.push((field_u32(row, "a row")?, field_u32(col, "a column")?, value));
            Ok(())
        })?;
        elements.sort_unstable_by_key(|(row, col, _)| (*row, *col));
        matrices.push(NvdbMatrix {
            layer: info.path.layer,
            module: info.path.module,
            matrix: info.path.matrix,
            shape: info.shape,
            dtype: info.dtype,
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
    reader::decode(bytes).map_err(|problem| match problem {
        Problem::Damaged { offset, reason } => Error::corrupt(path, offset as u64, "a NanoVDB grid", reason),
        Problem::UnsupportedType(found) => {
            Error::UnsupportedType { path: DisplayPath(path.to_owned()), found }
        }
    })
}
