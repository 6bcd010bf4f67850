//! Weights in the store: one matrix for each side of a low-rank pair.

use hyprstream_models::{LoraMatrix, LoraWeights, Module};
use hyprstream_storage::{DataType, MatrixPath, Shape, Snapshot, WriteTransaction};

use crate::adapters::record::VersionRecord;
use crate::error::Result;

/// Stores weights as a draft.
pub(crate) fn put_weights(
    transaction: &mut WriteTransaction<'_>,
    adapter: &str,
    version: &str,
    weights: &LoraWeights,
) -> Result<()> {
    for LoraMatrix { layer, module, a, b } in &weights.layers {
        for (matrix, values, rows) in [("A", a, weights.rank), ("B", b, b.len() / weights.rank.max(1))] {
            let path = MatrixPath::new(adapter, version, *layer as u32, module.to_string(), matrix);
            let shape = Shape::new(rows, values.len() / rows.max(1));
            transaction.put_matrix(&path, shape, DataType::F32, values)?;
        }
    }
    Ok(())
}

/// Reads the weights of a version, published or not.
pub(crate) fn read_weights(
    snapshot: &Snapshot,
    adapter: &str,
    version: &str,
    record: &VersionRecord,
) -> Result<LoraWeights> {
    let mut layers: Vec<LoraMatrix> = Vec::new();
    for info in snapshot.matrices(adapter, version)? {
        let mut values = vec![0.0; info.shape.elements()?];
        snapshot.read_matrix(&info.path, &mut values)?;
        let (layer, module) = (info.path.layer as usize, info.path.module.parse::<Module>()?);
        if layers.last().is_none_or(|last| last.layer != layer || last.module != module) {
            layers.push(LoraMatrix { layer, module, a: Vec::new(), b: Vec::new() });
        }
        if let Some(last) = layers.last_mut() {
            *(if info.path.matrix == "A" { &mut last.a } else { &mut last.b }) = values;
        }
    }
    Ok(LoraWeights { base: record.base_hash, rank: record.rank as usize, alpha: record.alpha, layers })
}
