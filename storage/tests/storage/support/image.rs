//! Stores to be damaged, and to be kept as golden files.

use std::path::Path;
use std::sync::Arc;

use hyprstream_storage::backend::MemoryBackend;
use hyprstream_storage::{Durability, GridOptions, GridStore};

use super::{Model, Op, batch_of, edits, matrix_path};

/// A store's two files and the states that an opening may find.
pub struct Image {
    pub data: Vec<u8>,
    pub wal: Vec<u8>,
    pub states: Vec<Model>,
}

/// Operations on matrices of f32 and f16. The golden files hold what they lead to, so they stay as they are.
pub fn some_ops() -> Vec<Vec<Op>> {
    vec![
        vec![
            Op::Put { version: 0, matrix: 0, shape: 3, dtype: 0, density: 1, seed: 1 },
            Op::Put { version: 0, matrix: 1, shape: 2, dtype: 1, density: 2, seed: 2 },
            Op::Put { version: 0, matrix: 2, shape: 6, dtype: 1, density: 0, seed: 3 },
            Op::Put { version: 0, matrix: 3, shape: 7, dtype: 0, density: 3, seed: 4 },
            Op::PutMetadata { key: 1, len: 40, seed: 5 },
            Op::PutMetadata { key: 2, len: 5000, seed: 6 },
        ],
        vec![Op::Publish { version: 0 }, Op::Tag { version: 0, tag: 1 }, Op::Branch { from: 0, to: 1 }],
        vec![Op::Perturb { version: 1, matrix: 2, seed: 7 }, Op::Perturb { version: 1, matrix: 0, seed: 8 }],
        vec![
            Op::Put { version: 4, matrix: 0, shape: 6, dtype: 0, density: 3, seed: 9 },
            Op::Recode { version: 4, how: 0 },
            Op::Branch { from: 1, to: 2 },
        ],
        vec![
            Op::Drop { version: 1 },
            Op::Put { version: 5, matrix: 1, shape: 3, dtype: 1, density: 1, seed: 11 },
            Op::Recode { version: 5, how: 1 },
            Op::Update { version: 2, matrix: 1, count: 30, seed: 10 },
        ],
    ]
}

/// Operations on matrices of f16 in every form of a leaf, hot, cold and patched. Golden files hold what they lead to,
/// too.
pub fn form_ops() -> Vec<Vec<Op>> {
    let put =
        |version, matrix, shape, density, seed| Op::Put { version, matrix, shape, dtype: 1, density, seed };
    vec![
        vec![
            put(0, 0, 3, 1, 21),
            put(0, 1, 2, 2, 22),
            put(0, 2, 6, 0, 23),
            put(0, 3, 7, 3, 24),
            Op::PutEmpty { version: 0, matrix: 4, shape: 3, dtype: 1 },
        ],
        vec![Op::Publish { version: 0 }, Op::Branch { from: 0, to: 1 }],
        vec![
            Op::Update { version: 1, matrix: 2, count: 25, seed: 25 },
            Op::Perturb { version: 1, matrix: 0, seed: 26 },
            Op::Branch { from: 1, to: 2 },
        ],
        vec![
            put(4, 0, 6, 3, 27),
            put(4, 1, 3, 0, 28),
            Op::Recode { version: 4, how: 0 },
            put(5, 0, 3, 0, 29),
            Op::Recode { version: 5, how: 1 },
            Op::Drop { version: 1 },
        ],
    ]
}

/// The files after these operations, a commit each, and three batches of updates of version 3.
pub fn image(ops: &[Vec<Op>], sealed: bool) -> Image {
    let data = MemoryBackend::new("data", Vec::new());
    let wal = MemoryBackend::new("wal", Vec::new());
    GridStore::create_backend(&data).unwrap();
    let files = (Arc::new(data.clone()), Arc::new(wal.clone()));
    let store = GridStore::open_backends(files.0, files.1, &GridOptions::default()).unwrap();
    let mut model = Model::default();
    let mut states = vec![model.clone()];
    for ops in ops {
        model.commit(ops, &store);
        states.push(model.clone());
    }
    for seed in 0..3 {
        let shape = model.matrix(2, 0).unwrap().shape;
        let edits = edits(shape, 20, seed);
        model.edit(2, 0, &edits);
        store.update(&batch_of(&matrix_path(2, 0), &edits), Durability::Immediate).unwrap();
        states.push(model.clone());
    }
    if sealed {
        store.close().unwrap();
    }
    Image { data: data.contents(), wal: wal.contents(), states }
}

/// The store after these operations, closed, in `directory`.
pub fn closed_store(directory: &Path, ops: &[Vec<Op>]) -> Model {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let mut model = Model::default();
    for ops in ops {
        model.commit(ops, &store);
    }
    store.close().unwrap();
    model
}
