//! Adapters as `NanoVDB` grids.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hyprstream_models::{LoraMatrix, LoraWeights, ModelConfig, Module};
use hyprstream_storage::{NvdbMatrix, Snapshot, export_nvdb, import_nvdb};

use crate::adapter_files::format::refused;
use crate::adapters::record::{VersionRecord, version_number};
use crate::adapters::resolve::ResolvedAdapter;
use crate::error::{Error, Result};

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedAdapter {
    /// The adapter.
    pub name: String,
    /// The version that was written.
    pub version: u64,
    /// Matrices in the file.
    pub matrices: u64,
    /// Active weights in it.
    pub active_values: u64,
    /// Its length.
    pub bytes: u64,
}

/// Writes a version's grid.
pub(super) fn write(snapshot: &Snapshot, adapter: &ResolvedAdapter, path: &Path) -> Result<ExportedAdapter> {
    let summary = export_nvdb(snapshot, &adapter.name, &adapter.version, path)?;
    Ok(ExportedAdapter {
        name: adapter.name.clone(),
        version: version_number(&adapter.version)?,
        matrices: summary.matrices as u64,
        active_values: summary.active,
        bytes: summary.bytes,
    })
}

/// Reads a grid as weights for a model. Nothing of a matrix's size is allocated before its shape is known to be right.
pub(super) fn read(path: &Path, config: &ModelConfig, record: &VersionRecord) -> Result<LoraWeights> {
    let rank = record.rank as usize;
    if rank == 0 || rank > config.hidden_size.max(config.intermediate_size) {
        return Err(refused(path, format!("its rank is {rank}, which no adapter of this model has")));
    }
    let length = fs::metadata(path).map_err(Error::io("open", path))?;
    if !length.is_file() || length.len() > longest_file(config, rank) {
        return Err(refused(path, "it is not a grid of an adapter of this model"));
    }
    let grid = import_nvdb(path).map_err(|error| refused(path, error.to_string()))?;
    let Some(matrices) = grid.matrices else {
        return Err(refused(path, "the grid does not list matrices, so nothing says what its voxels mean"));
    };
    let mut pairs: BTreeMap<(usize, Module), LoraMatrix> = BTreeMap::new();
    for matrix in &matrices {
        let (layer, module) = layer_and_module(path, config, matrix)?;
        let (rows, cols) = expected_shape(config, rank, module, &matrix.matrix);
        if (matrix.shape.rows, matrix.shape.cols) != (rows, cols) {
            let found = format!("{} x {}", matrix.shape.rows, matrix.shape.cols);
            let name = format!("{} of layer {layer} {module}", matrix.matrix);
            return Err(refused(path, format!("{name} is {found} where the model needs {rows} x {cols}")));
        }
        let pair = pairs.entry((layer, module)).or_insert_with(|| LoraMatrix {
            layer,
            module,
            a: Vec::new(),
            b: Vec::new(),
        });
        let side = if matrix.matrix == "A" { &mut pair.a } else { &mut pair.b };
        if !side.is_empty() {
            return Err(refused(path, format!("it lists a matrix of layer {layer} {module} twice")));
        }
        *side = dense(matrix, rows * cols);
    }
    if pairs.is_empty() {
        return Err(refused(path, "it lists no matrix"));
    }
    Ok(LoraWeights {
        base: record.base_hash,
        rank,
        alpha: record.alpha,
        layers: pairs.into_values().collect(),
    })
}

fn layer_and_module(path: &Path, config: &ModelConfig, matrix: &NvdbMatrix) -> Result<(usize, Module)> {
    let layer = matrix.layer as usize;
    if layer >= config.num_hidden_layers {
        let reason = format!("it has layer {layer} and the model {} layers", config.num_hidden_layers);
        return Err(refused(path, reason));
    }
    let module = matrix.module.parse::<Module>().map_err(|error| refused(path, error.to_string()))?;
    if !matches!(matrix.matrix.as_str(), "A" | "B") {
        let reason = format!("layer {layer} {module} has a matrix \"{}\" beside A and B", matrix.matrix);
        return Err(refused(path, reason));
    }
    Ok((layer, module))
}

fn expected_shape(config: &ModelConfig, rank: usize, module: Module, matrix: &str) -> (usize, usize) {
    let (outputs, inputs) = module.shape(config);
    if matrix == "A" { (rank, inputs) } else { (outputs, rank) }
}

fn dense(matrix: &NvdbMatrix, elements: usize) -> Vec<f32> {
    let mut values = vec![0.0; elements];
    for (row, col, value) in &matrix.elements {
        if let Some(element) = values.get_mut(*row as usize * matrix.shape.cols + *col as usize) {
            *element = *value;
        }
    }
    values
}

/// A generous bound on the length of a grid with every matrix that an adapter of the model can have, so that no other
/// file is read into memory.
fn longest_file(config: &ModelConfig, rank: usize) -> u64 {
    const BYTES_AN_ELEMENT: u64 = 8;
    const BYTES_A_MATRIX: u64 = 8 << 10;
    const FIXED_BYTES: u64 = 4 << 20;
    let sides = |module: &Module| {
        let (outputs, inputs) = module.shape(config);
        (outputs + inputs) as u64
    };
    let elements = Module::ALL.iter().map(sides).sum::<u64>() * rank as u64;
    let layers = config.num_hidden_layers as u64;
    layers * (elements * BYTES_AN_ELEMENT + 2 * Module::ALL.len() as u64 * BYTES_A_MATRIX) + FIXED_BYTES
}
