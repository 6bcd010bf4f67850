//! Batches of sparse updates.

use std::path::Path;

use hyprstream_storage::{DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch};

use crate::support::assert_sound;

fn path(layer: u32) -> MatrixPath {
    MatrixPath::new("support", "1", layer, "q_proj", "A")
}

fn store(directory: &Path) -> GridStore {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    for layer in 0..2 {
        write
            .put_matrix(
                &path(layer),
                Shape::new(300, 40),
                DataType::F32,
                &vec![0.0; 12_000],
            )
            .unwrap();
    }
    write.commit(Durability::Immediate).unwrap();
    store
}

fn active(store: &GridStore, layer: u32) -> u64 {
    let snapshot = store.snapshot();
    snapshot.matrix(&path(layer)).unwrap().unwrap().info().active
}

#[test]
fn changes_of_one_element_apply_in_the_order_they_were_given() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut batch = UpdateBatch::new();
    batch
        .set(&path(0), &[(299, 39, 5.0), (7, 3, 1.0)])
        .add(&path(0), &[(299, 39, 2.0)])
        .clear(&path(0), &[(7, 3)])
        .add(&path(0), &[(7, 3, 0.5), (0, 0, 4.0)])
        .set(&path(0), &[(0, 0, 9.0)]);
    store.update(&batch, Durability::Immediate).unwrap();
    let snapshot = store.snapshot();
    let matrix = snapshot.matrix(&path(0)).unwrap().unwrap();
    let found = [(299, 39), (7, 3), (0, 0)].map(|(row, col)| matrix.get(row, col).unwrap());
    assert_eq!(found, [7.0, 0.5, 9.0]);
    assert_eq!(matrix.info().active, 3);
}

#[test]
fn a_batch_refused_for_one_of_its_matrices_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut outside = UpdateBatch::new();
    outside
        .set(&path(0), &[(1, 1, 1.0)])
        .set(&path(1), &[(1, 1, 1.0), (300, 0, 1.0)]);
    let error = store.update(&outside, Durability::Immediate).unwrap_err();
    assert!(error.to_string().contains("(300, 0) is outside"), "{error}");
    let mut unknown = UpdateBatch::new();
    unknown
        .set(&path(0), &[(1, 1, 1.0)])
        .set(&path(9), &[(0, 0, 1.0)]);
    let mut write = store.begin_write().unwrap();
    let error = write.apply(&unknown).unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    assert!(write.commit(Durability::Immediate).is_err());
    assert_eq!((active(&store, 0), active(&store, 1)), (0, 0));
    assert_sound(&store);
}
