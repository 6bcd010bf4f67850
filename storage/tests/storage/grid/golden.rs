//! Files of format version 1 that are checked in open and hold what was put into them.

use std::path::{Path, PathBuf};

use hyprstream_storage::{
    DataType, Durability, Error, GridOptions, GridStore, MatrixPath, Shape, export_nvdb, import_nvdb, salvage,
};

use crate::support::image::{closed_store, form_ops, image, some_ops};
use crate::support::{Model, Op, assert_sound};

/// What the checked-in files hold: `NAME.data` of a store that was closed, `NAME.unclosed.data` and
/// `NAME.unclosed.wal` of one that was not.
fn contents() -> [(&'static str, Vec<Vec<Op>>); 2] {
    [("version1.grid", some_ops()), ("version1.forms.grid", form_ops())]
}

fn golden(name: &str, file: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    directory.join(format!("{name}.{file}"))
}

fn open_and_compare(directory: &Path, expected: &Model) {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    expected.assert_same(&Model::read(&store.snapshot()).unwrap());
    assert_sound(&store);
    let mut write = store.begin_write().unwrap();
    write.put_metadata(b"later", b"written by a later build").unwrap();
    write.commit(Durability::Immediate).unwrap();
    assert_sound(&store);
}

#[test]
fn closed_files_of_version_1_open() {
    for (name, ops) in contents() {
        let directory = tempfile::tempdir().unwrap();
        let expected = closed_store(&directory.path().join("scratch"), &ops);
        std::fs::copy(golden(name, "data"), directory.path().join("grid.data")).unwrap();
        open_and_compare(directory.path(), &expected);
    }
}

#[test]
fn unclosed_files_of_version_1_open_with_their_logs() {
    for (name, ops) in contents() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["data", "wal"] {
            let to = directory.path().join(format!("grid.{file}"));
            std::fs::copy(golden(name, &format!("unclosed.{file}")), to).unwrap();
        }
        open_and_compare(directory.path(), image(&ops, false).states.last().unwrap());
    }
}

#[test]
fn a_file_with_matrices_of_another_type_is_refused_by_name() {
    for (name, found) in [("version1.bf16.grid", "bf16"), ("version1.int8.grid", "int8")] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("grid.data");
        std::fs::copy(golden(name, "data"), &file).unwrap();
        let expected =
            format!("{} holds a matrix of {found} numbers, and this build reads f32 and f16", file.display());
        let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        let snapshot = store.snapshot();
        assert_eq!(snapshot.matrices("support", "1").unwrap_err().to_string(), expected);
        assert_eq!(store.verify().unwrap_err().to_string(), expected);
        assert_eq!(store.compact().unwrap_err().to_string(), expected);
        let mut write = store.begin_write().unwrap();
        write.put_metadata(b"later", b"written by a later build").unwrap();
        write.commit(Durability::Immediate).unwrap();
        drop((snapshot, store));
        let into = directory.path().join("salvaged");
        let refused = salvage(directory.path(), &into).unwrap_err();
        assert!(matches!(refused, Error::UnsupportedType { .. }), "it is not damage: {refused}");
    }
}

#[test]
fn an_unclosed_file_with_matrices_of_another_type_is_not_rolled_back() {
    for (name, found) in [("version1.bf16.grid", "bf16"), ("version1.int8.grid", "int8")] {
        let directory = tempfile::tempdir().unwrap();
        for file in ["data", "wal"] {
            let to = directory.path().join(format!("grid.{file}"));
            std::fs::copy(golden(name, &format!("unclosed.{file}")), to).unwrap();
        }
        let before = std::fs::read(directory.path().join("grid.data")).unwrap();
        let refused = GridStore::open(directory.path(), &GridOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::UnsupportedType { found: name, .. } if name == found), "{refused}");
        assert!(std::fs::read(directory.path().join("grid.data")).unwrap() == before, "it was written");
    }
}

/// The values of the only matrix in `support.nvdb`, 4 rows of 6.
fn nvdb_values() -> Vec<f32> {
    (0..24u8).map(|n| if n % 3 == 0 { 0.0 } else { f32::from(n) / 8.0 - 1.0 }).collect()
}

#[test]
fn the_golden_nanovdb_file_holds_what_was_exported() {
    let grid = import_nvdb(&golden("support", "nvdb")).unwrap();
    let matrices = grid.matrices.unwrap();
    let [matrix] = matrices.as_slice() else { panic!("{} matrices", matrices.len()) };
    assert_eq!((matrix.layer, matrix.module.as_str(), matrix.matrix.as_str()), (3, "q_proj", "B"));
    assert_eq!((matrix.shape, matrix.dtype), (Shape::new(4, 6), DataType::F32));
    let mut values = vec![0.0; 24];
    for &(row, column, value) in &matrix.elements {
        values[row as usize * 6 + column as usize] = value;
    }
    assert_eq!(values, nvdb_values());
    assert_eq!(matrix.elements.len(), 15, "an element of +0.0 is not active");
}

/// Writes the golden files that are missing; run by hand when a format version gets some of its own.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_files() {
    for (name, ops) in contents() {
        if golden(name, "data").exists() {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        closed_store(directory.path(), &ops);
        let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        store.compact().unwrap();
        store.close().unwrap();
        std::fs::copy(directory.path().join("grid.data"), golden(name, "data")).unwrap();
        let unclosed = image(&ops, false);
        std::fs::write(golden(name, "unclosed.data"), unclosed.data).unwrap();
        std::fs::write(golden(name, "unclosed.wal"), unclosed.wal).unwrap();
    }
    if !golden("support", "nvdb").exists() {
        let directory = tempfile::tempdir().unwrap();
        let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        let mut write = store.begin_write().unwrap();
        let path = MatrixPath::new("support", "1", 3, "q_proj", "B");
        write.put_matrix(&path, Shape::new(4, 6), DataType::F32, &nvdb_values()).unwrap();
        write.commit(Durability::Immediate).unwrap();
        export_nvdb(&store.snapshot(), "support", "1", &golden("support", "nvdb")).unwrap();
    }
}
