//! Matrices of scaled bytes.

use hyprstream_storage::{
    DataType, Durability, Error, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch,
};

use crate::support::assert_sound;

fn path() -> MatrixPath {
    MatrixPath::new("support", "1", 0, "q_proj", "A")
}

fn put(store: &GridStore, values: &[f32]) -> Result<(), Error> {
    let mut write = store.begin_write()?;
    write.put_matrix(&path(), Shape::new(1, values.len()), DataType::Int8, values)?;
    write.commit(Durability::Immediate)
}

fn read(store: &GridStore) -> Vec<f32> {
    let snapshot = store.snapshot();
    let info = snapshot.matrix(&path()).unwrap().unwrap().info();
    let mut values = vec![7.0; info.shape.cols];
    snapshot.read_matrix(&path(), &mut values).unwrap();
    let active = values.iter().filter(|value| **value != 0.0).count();
    assert_eq!(info.active, active as u64, "an active element reads as nothing");
    values
}

#[test]
fn the_largest_and_the_smallest_numbers_read_back_as_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    for largest in [f32::MAX, 1.0, f32::MIN_POSITIVE, 1e-43, 1e-44, f32::from_bits(1)] {
        put(&store, &[largest, -largest, 0.0, largest / 2.0]).unwrap();
        let found = read(&store);
        let step = largest / 127.0 + f32::from_bits(1);
        for (found, put) in found.iter().zip([largest, -largest, 0.0, largest / 2.0]) {
            assert!((found - put).abs() <= step, "{put:e} reads as {found:e}");
        }
    }
    assert_sound(&store);
}

#[test]
fn what_is_no_number_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    put(&store, &[1.0, 2.0]).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = put(&store, &[1.0, value]).unwrap_err();
        assert!(matches!(refused, Error::Argument { .. }), "{refused}");
    }
    assert_eq!(read(&store)[1].to_bits(), 2.0f32.to_bits());
}

#[test]
fn updates_keep_the_scale_and_stop_at_its_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    put(&store, &[1.27, 0.5, 0.0, 0.0, 0.0]).unwrap();
    let scale = |store: &GridStore| store.snapshot().matrix(&path()).unwrap().unwrap().info().scale;
    let before = scale(&store);
    let mut batch = UpdateBatch::new();
    batch
        .set(&path(), &[(0, 2, 99.0), (0, 3, -0.034), (0, 4, 0.004)])
        .add(&path(), &[(0, 1, 0.25)])
        .clear(&path(), &[(0, 0)]);
    store.update(&batch, Durability::Immediate).unwrap();
    assert_eq!(scale(&store).to_bits(), before.to_bits());
    let steps: Vec<i32> = read(&store).iter().map(|value| (value / before).round() as i32).collect();
    assert_eq!(steps, [0, 75, 127, -3, 0]);
    store.close().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    assert_eq!(scale(&store).to_bits(), before.to_bits());
}
