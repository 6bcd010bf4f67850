//! Where embeddings lie in the grid, and how they are read back.
//!
//! A matrix holds the vectors of 256 consecutive ids, an id a row, under `/trajectories` / hash of the model / number of
//! the block. A row of zeros is an id without a vector. Values are f16, which moves no component by more than a 2048th of
//! itself, and hence no cosine by more than about that, for half the bytes of f32. How far a model's answers are embedded
//! is metadata of the same store under `trajectory_embeddings/<hash>`.

use std::collections::{BTreeMap, HashMap};

use hyprstream_storage::{DataType, LogPosition, MatrixPath, Shape, Snapshot, UpdateBatch};
use serde::{Deserialize, Serialize};

use crate::adapters::store::AdapterStore;
use crate::error::Result;
use crate::json::{from_json, to_json};

/// The first part of every path; no adapter's name has a slash.
pub(crate) const OWNER: &str = "/trajectories";
const PREFIX: &str = "trajectory_embeddings/";
/// A chunk of the grid at the width of the bundled model.
const ROWS: u64 = 256;

/// How far the answers of a model are embedded.
#[derive(Debug, Serialize, Deserialize)]
struct ModelRecord {
    /// The name it had.
    model: String,
    segment: u64,
    offset: u64,
}

/// The block of an id, and the row in it; `None` where ids are too large to be stored.
pub(super) fn block_and_row(id: u64) -> Option<(u32, u32)> {
    let block = u32::try_from(id / ROWS).ok()?;
    Some((block, (id % ROWS) as u32))
}

fn path(model_hash: &str, block: u32) -> MatrixPath {
    MatrixPath::new(OWNER, model_hash, block, "prompt", "embedding")
}

fn key(model_hash: &str) -> Vec<u8> {
    [PREFIX, model_hash].concat().into_bytes()
}

/// How far every model was followed. A position beyond `end` is of another log than this one and is forgotten.
pub(super) fn followed_positions(
    store: &AdapterStore,
    end: LogPosition,
) -> Result<HashMap<String, LogPosition>> {
    let mut positions = HashMap::new();
    let mut strange = Vec::new();
    for (key, value) in store.snapshot().scan_metadata(PREFIX.as_bytes())? {
        let record: ModelRecord = from_json(&value, "how far a model's answers are embedded")?;
        let position = LogPosition { segment: record.segment, offset: record.offset };
        if position > end {
            strange.push(key);
        } else if let Ok(hash) = std::str::from_utf8(&key[PREFIX.len()..]) {
            positions.insert(hash.to_owned(), position);
        }
    }
    if !strange.is_empty() {
        store.write(|transaction| {
            for key in &strange {
                transaction.remove_metadata(key)?;
            }
            Ok(())
        })?;
    }
    Ok(positions)
}

/// Stores the vectors of ids together with how far this model is followed now.
pub(super) fn put_embeddings(
    store: &AdapterStore,
    model: &str,
    model_hash: &str,
    vectors: &[(u64, Vec<f32>)],
    position: LogPosition,
) -> Result<()> {
    let mut blocks: BTreeMap<u32, Vec<(u32, &[f32])>> = BTreeMap::new();
    for (id, vector) in vectors {
        if let Some((block, row)) = block_and_row(*id) {
            blocks.entry(block).or_default().push((row, vector));
        }
    }
    let record = ModelRecord { model: model.to_owned(), segment: position.segment, offset: position.offset };
    // Only the follower writes under these paths, so the snapshot is current.
    let snapshot = store.snapshot();
    store.write(|transaction| {
        let mut updates = UpdateBatch::new();
        for (block, rows) in &blocks {
            let path = path(model_hash, *block);
            let width = rows.first().map_or(0, |(_, vector)| vector.len());
            if snapshot.matrix(&path)?.is_none() {
                transaction.put_empty_matrix(&path, Shape::new(ROWS as usize, width), DataType::F16)?;
            }
            for (row, vector) in rows {
                let elements = (0..).zip(*vector).map(|(column, &value)| (*row, column, value));
                updates.set(&path, &elements.collect::<Vec<_>>());
            }
        }
        if !updates.is_empty() {
            transaction.apply(&updates)?;
        }
        transaction.put_metadata(&key(model_hash), &to_json(&record)?)?;
        Ok(())
    })
}

/// Removes the blocks whose ids retention has removed from the log; `first_id` is the lowest that it still has.
pub(crate) fn forget_removed(store: &AdapterStore, first_id: Option<u64>) -> Result<()> {
    let first_block = first_id.and_then(block_and_row).map_or(u32::MAX, |(block, _)| block);
    let snapshot = store.snapshot();
    let (mut blocks, mut versions) = (Vec::new(), Vec::new());
    for version in snapshot.versions(OWNER)? {
        let all = snapshot.matrices(OWNER, &version.version)?;
        let count = all.len();
        let gone: Vec<MatrixPath> =
            all.into_iter().map(|matrix| matrix.path).filter(|path| path.layer < first_block).collect();
        if gone.len() == count {
            versions.push(version.version);
        } else {
            blocks.extend(gone);
        }
    }
    if blocks.is_empty() && versions.is_empty() {
        return Ok(());
    }
    store.write(|transaction| {
        for path in &blocks {
            transaction.remove_matrix(path)?;
        }
        for version in &versions {
            transaction.drop_version(OWNER, version)?;
        }
        Ok(())
    })
}

/// Reads vectors of a snapshot, quickest in the order of ids.
#[derive(Debug)]
pub(crate) struct EmbeddingReader {
    snapshot: Snapshot,
    /// The block read last of each model.
    blocks: HashMap<String, Block>,
}

#[derive(Debug)]
struct Block {
    number: u32,
    width: usize,
    /// Empty where there is no such block.
    values: Vec<f32>,
}

impl EmbeddingReader {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, blocks: HashMap::new() }
    }

    /// The vector that a model gave the prompt of a trajectory.
    pub(crate) fn read(&mut self, model_hash: &str, id: u64) -> Result<Option<Vec<f32>>> {
        let Some((number, row)) = block_and_row(id) else {
            return Ok(None);
        };
        if self.blocks.get(model_hash).is_none_or(|block| block.number != number) {
            let block = Block::read(&self.snapshot, model_hash, number)?;
            self.blocks.insert(model_hash.to_owned(), block);
        }
        Ok(self.blocks.get(model_hash).and_then(|block| block.row(row as usize)))
    }
}

impl Block {
    fn read(snapshot: &Snapshot, model_hash: &str, number: u32) -> Result<Self> {
        let Some(matrix) = snapshot.matrix(&path(model_hash, number))? else {
            return Ok(Self { number, width: 0, values: Vec::new() });
        };
        let shape = matrix.info().shape;
        let mut values = vec![0.0; shape.elements()?];
        matrix.read_into(&mut values)?;
        Ok(Self { number, width: shape.cols, values })
    }

    fn row(&self, row: usize) -> Option<Vec<f32>> {
        let values = self.values.get(row * self.width..(row + 1) * self.width)?;
        values.iter().any(|value| *value != 0.0).then(|| values.to_vec())
    }
}
