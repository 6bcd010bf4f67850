//! The file of format version 1 that is checked in opens and holds what was put into it.

use std::path::Path;

use hyprstream_storage::{Durability, GridOptions, GridStore};

use crate::damage::some_ops;
use crate::support::{Model, assert_sound};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version1.grid.data")
}

fn expected(store: Option<&GridStore>, scratch: &Path) -> Model {
    let own;
    let store = if let Some(store) = store {
        store
    } else {
        own = GridStore::open(scratch, &GridOptions::default()).unwrap();
        &own
    };
    let mut model = Model::default();
    for ops in some_ops() {
        let mut write = store.begin_write().unwrap();
        ops.iter().for_each(|op| model.apply(op, &mut write).unwrap());
        write.commit(Durability::Immediate).unwrap();
    }
    model
}

#[test]
fn a_file_of_version_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    let model = expected(None, &directory.path().join("scratch"));
    std::fs::copy(golden(), directory.path().join("grid.data")).unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    model.assert_same(&Model::read(&store.snapshot()).unwrap());
    assert_sound(&store);
}

/// Writes the golden file; run by hand when a new format version gets one of its own.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    expected(Some(&store), directory.path());
    store.compact().unwrap();
    store.close().unwrap();
    std::fs::create_dir_all(golden().parent().unwrap()).unwrap();
    std::fs::copy(directory.path().join("grid.data"), golden()).unwrap();
}
