//! What versions cost.

use hyprstream_storage::{
    Compression, DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, VersionPath,
};

use crate::support::{Rng, assert_sound};

fn put(store: &GridStore, version: &str, from: Option<&str>, values: &[f32]) {
    let mut write = store.begin_write().unwrap();
    if let Some(from) = from {
        write
            .branch_version(VersionPath::new("support", from), VersionPath::new("support", version))
            .unwrap();
    }
    let path = MatrixPath::new("support", version, 0, "q_proj", "A");
    write.put_matrix(&path, Shape::new(2048, 64), DataType::F32, values).unwrap();
    write.publish_version("support", version).unwrap();
    write.commit(Durability::Immediate).unwrap();
}

#[test]
fn a_hundred_checkpoints_of_scattered_changes_cost_less_than_three() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    let mut rng = Rng(1);
    let mut values: Vec<f32> = (0..2048 * 64).map(|_| rng.below(2001) as f32 / 1000.0 - 1.0).collect();
    put(&store, "1", None, &values);
    let one = store.version_statistics("support", "1").unwrap();
    assert_eq!(one.shared_bytes, 0);
    let mut versions = vec![values.clone()];
    for n in 2..=100u32 {
        for _ in 0..values.len() / 100 {
            let at = rng.below(values.len() as u64) as usize;
            values[at] += 0.01;
        }
        put(&store, &n.to_string(), Some(&(n - 1).to_string()), &values);
        versions.push(values.clone());
    }
    let used = store.statistics().unwrap().used_bytes;
    assert!(used < 3 * one.bytes, "{used} bytes for 100 versions of {}", one.bytes);
    let snapshot = store.snapshot();
    let mut found = vec![0.0; values.len()];
    for (index, expected) in versions.iter().enumerate().step_by(9) {
        let path = MatrixPath::new("support", (index + 1).to_string(), 0, "q_proj", "A");
        snapshot.read_matrix(&path, &mut found).unwrap();
        assert!(found == *expected, "version {}", index + 1);
    }
    drop(snapshot);
    let mut write = store.begin_write().unwrap();
    write.tag_version("support", "40", "best").unwrap();
    let dropped = write.rotate_versions("support", 3, true).unwrap();
    assert_eq!(dropped.len(), 96);
    assert_eq!(write.next_version_number("support").unwrap(), 101);
    write.branch_version(VersionPath::new("support", "40"), VersionPath::new("support", "101")).unwrap();
    write.publish_version("support", "101").unwrap();
    write.commit(Durability::Immediate).unwrap();
    let path = MatrixPath::new("support", "101", 0, "q_proj", "A");
    store.snapshot().read_matrix(&path, &mut found).unwrap();
    assert!(found == versions[39]);
    assert_sound(&store);
    let mut write = store.begin_write().unwrap();
    assert_eq!(write.drop_adapter("support").unwrap(), 5);
    write.commit(Durability::Immediate).unwrap();
    assert_sound(&store);
    assert!(store.statistics().unwrap().used_bytes < 40_000, "{:?}", store.statistics().unwrap());
}

#[test]
fn sparse_values_take_the_bytes_that_are_promised() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    let mut rng = Rng(3);
    for (dtype, version, limit) in [(DataType::F32, "f32", 6.5), (DataType::F16, "f16", 4.5)] {
        let mut write = store.begin_write().unwrap();
        for layer in 0..64 {
            let mut values = vec![0.0; 2048 * 16];
            for value in &mut values {
                if rng.below(100) == 0 {
                    let sum: f32 = (0..12).map(|_| rng.below(1 << 20) as f32 / (1 << 20) as f32).sum();
                    *value = (sum - 6.0) * 0.02;
                }
            }
            let path = MatrixPath::new("sparse", version, layer, "q_proj", "A");
            write.put_matrix(&path, Shape::new(2048, 16), dtype, &values).unwrap();
        }
        write.commit(Durability::Immediate).unwrap();
        let hot = store.version_statistics("sparse", version).unwrap();
        let mut write = store.begin_write().unwrap();
        write.freeze_version("sparse", version, Compression::Zstd(3)).unwrap();
        write.commit(Durability::Immediate).unwrap();
        let cold = store.version_statistics("sparse", version).unwrap();
        let per = |bytes: u64| bytes as f64 / hot.active as f64;
        println!("{dtype:?}: {:.2} bytes an active value hot, {:.2} cold", per(hot.bytes), per(cold.bytes));
        assert!(per(hot.bytes) <= limit, "{} bytes an active value", per(hot.bytes));
        assert!(
            dtype != DataType::F32 || per(cold.bytes) <= 5.3,
            "{} bytes an active value",
            per(cold.bytes)
        );
        assert_eq!((hot.active, hot.matrices), (cold.active, 64));
    }
    assert_sound(&store);
}

#[test]
fn freezing_a_branch_stores_no_shared_chunk_of_a_matrix_with_tables_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    let (rows, cols) = (1088, 1024);
    let mut values: Vec<f32> = (0..rows * cols).map(|n| (n % 7) as f32 + 1.0).collect();
    let path = |version: &str| MatrixPath::new("support", version, 0, "q_proj", "A");
    let put = |version: &str, values: &[f32]| {
        let mut write = store.begin_write().unwrap();
        if version == "2" {
            write.branch_version(VersionPath::new("support", "1"), VersionPath::new("support", "2")).unwrap();
        }
        write.put_matrix(&path(version), Shape::new(rows, cols), DataType::F32, values).unwrap();
        write.commit(Durability::Immediate).unwrap();
    };
    put("1", &values);
    let mut write = store.begin_write().unwrap();
    write.branch_version(VersionPath::new("support", "1"), VersionPath::new("support", "3")).unwrap();
    let of_branch = write.freeze_version("support", "3", Compression::Zstd(1)).unwrap();
    write.commit(Durability::Immediate).unwrap();
    assert_eq!((of_branch.chunks, of_branch.shared), (0, 17));
    // The first chunk of the second version is its own.
    values[..65_536].iter_mut().for_each(|value| *value += 0.5);
    put("2", &values);
    let mut write = store.begin_write().unwrap();
    let of_changed = write.freeze_version("support", "2", Compression::Zstd(1)).unwrap();
    write.commit(Durability::Immediate).unwrap();
    assert_eq!((of_changed.chunks, of_changed.shared), (1, 16));
    let mut found = vec![0.0; values.len()];
    store.snapshot().read_matrix(&path("2"), &mut found).unwrap();
    assert!(found == values);
    assert_sound(&store);
}

#[test]
fn a_version_is_counted_while_the_store_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    let values: Vec<f32> = (0..2048 * 64).map(|n| n as f32).collect();
    put(&store, "1", None, &values);
    let expected = store.version_statistics("support", "1").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..10 {
                store.compact().unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            assert_eq!(store.version_statistics("support", "1").unwrap(), expected);
        }
    });
}
