//! Batches of sparse updates.

use std::path::Path;

use hyprstream_storage::{
    DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch, VersionPath,
};

use crate::support::{Rng, assert_sound};

fn path(layer: u32) -> MatrixPath {
    MatrixPath::new("support", "1", layer, "q_proj", "A")
}

fn store(directory: &Path) -> GridStore {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    for layer in 0..2 {
        write.put_matrix(&path(layer), Shape::new(300, 40), DataType::F32, &vec![0.0; 12_000]).unwrap();
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
    outside.set(&path(0), &[(1, 1, 1.0)]).set(&path(1), &[(1, 1, 1.0), (300, 0, 1.0)]);
    let error = store.update(&outside, Durability::Immediate).unwrap_err();
    assert!(error.to_string().contains("(300, 0) is outside"), "{error}");
    let mut unknown = UpdateBatch::new();
    unknown.set(&path(0), &[(1, 1, 1.0)]).set(&path(9), &[(0, 0, 1.0)]);
    let mut write = store.begin_write().unwrap();
    let error = write.apply(&unknown).unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    assert!(write.commit(Durability::Immediate).is_err());
    assert_eq!((active(&store, 0), active(&store, 1)), (0, 0));
    assert_sound(&store);
}

/// Changes elements of the store's first matrix and of its copy: sets, adds and clears.
fn change(batch: &mut UpdateBatch, copy: &mut [f32], count: u64, rng: &mut Rng) {
    for _ in 0..count {
        let at = rng.below(copy.len() as u64) as usize;
        let element = ((at / 40) as u32, (at % 40) as u32);
        let value = rng.below(2001) as f32 / 1000.0 - 1.0;
        match rng.below(3) {
            0 => {
                batch.set(&path(0), &[(element.0, element.1, value)]);
                copy[at] = value;
            }
            1 => {
                batch.add(&path(0), &[(element.0, element.1, value)]);
                copy[at] += value;
            }
            _ => {
                batch.clear(&path(0), &[element]);
                copy[at] = 0.0;
            }
        }
    }
}

fn assert_holds(store: &GridStore, copy: &[f32]) {
    let snapshot = store.snapshot();
    let mut found = vec![0.0; copy.len()];
    snapshot.read_matrix(&path(0), &mut found).unwrap();
    assert!(found == copy);
    let expected = copy.iter().filter(|value| value.to_bits() != 0).count();
    assert_eq!(active(store, 0), expected as u64);
}

#[test]
fn many_small_updates_read_as_one_matrix_and_cost_their_changes() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut rng = Rng(7);
    let mut copy: Vec<f32> = (0..12_000).map(|_| rng.below(9) as f32 + 1.0).collect();
    let mut write = store.begin_write().unwrap();
    write.put_matrix(&path(0), Shape::new(300, 40), DataType::F32, &copy).unwrap();
    write.commit(Durability::Immediate).unwrap();
    let whole = store.statistics().unwrap().used_bytes;
    for round in 0..300 {
        let mut batch = UpdateBatch::new();
        change(&mut batch, &mut copy, 1 + round % 40, &mut rng);
        store.update(&batch, Durability::Eventual).unwrap();
        if round == 0 {
            store.sync().unwrap();
            let grown = store.statistics().unwrap().used_bytes - whole;
            assert!(grown < whole / 10, "one change of {whole} bytes costs {grown}");
        }
        if round % 7 == 0 {
            assert_holds(&store, &copy);
        }
    }
    assert_holds(&store, &copy);
    assert_sound(&store);
    store.close().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    assert_holds(&store, &copy);
    let used = store.statistics().unwrap().used_bytes;
    assert!(used < 2 * whole, "{used} bytes of what were {whole}");
}

#[test]
fn a_branch_keeps_what_small_updates_change_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut rng = Rng(3);
    let mut copy = vec![0.0; 12_000];
    for batch_length in [500, 30] {
        let mut batch = UpdateBatch::new();
        change(&mut batch, &mut copy, batch_length, &mut rng);
        store.update(&batch, Durability::None).unwrap();
    }
    let before = copy.clone();
    let mut write = store.begin_write().unwrap();
    write.branch_version(VersionPath::new("support", "1"), VersionPath::new("support", "2")).unwrap();
    write.commit(Durability::Immediate).unwrap();
    for _ in 0..5 {
        let mut batch = UpdateBatch::new();
        change(&mut batch, &mut copy, 20, &mut rng);
        store.update(&batch, Durability::Immediate).unwrap();
    }
    let branch = MatrixPath::new("support", "2", 0, "q_proj", "A");
    let mut found = vec![0.0; before.len()];
    store.snapshot().read_matrix(&branch, &mut found).unwrap();
    assert!(found == before && copy != before);
    assert_holds(&store, &copy);
    let mut write = store.begin_write().unwrap();
    assert!(write.drop_version("support", "2").unwrap());
    write.commit(Durability::Immediate).unwrap();
    assert_holds(&store, &copy);
    assert_sound(&store);
}

#[test]
fn a_large_batch_comes_to_what_its_parts_come_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut rng = Rng(5);
    let mut copy = vec![0.0; 12_000];
    let mut batch = UpdateBatch::new();
    change(&mut batch, &mut copy, 20_000, &mut rng);
    batch.set(&path(1), &[(2, 2, 8.0)]);
    store.update(&batch, Durability::Immediate).unwrap();
    assert_holds(&store, &copy);
    assert_eq!(active(&store, 1), 1);
    let mut outside = batch.clone();
    outside.set(&path(1), &[(0, 40, 1.0)]);
    assert!(store.update(&outside, Durability::Immediate).is_err());
    assert_holds(&store, &copy);
    assert_sound(&store);
}
