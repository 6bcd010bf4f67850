//! Files of format version 1 that are checked in open and hold what was put into them.

use std::path::{Path, PathBuf};

use hyprstream_storage::{Durability, GridOptions, GridStore};

use crate::damage::{image, some_ops};
use crate::support::{Model, assert_sound};

/// A checked-in file: `data` of a store that was closed, `unclosed.data` and `unclosed.wal` of one that was not.
fn golden(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    directory.join(format!("version1.grid.{name}"))
}

/// Fills an empty store with what the golden file holds.
fn fill(store: &GridStore) -> Model {
    let mut model = Model::default();
    for ops in some_ops() {
        let mut write = store.begin_write().unwrap();
        for op in &ops {
            model.apply(op, &mut write).unwrap();
        }
        write.commit(Durability::Immediate).unwrap();
    }
    model
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
fn a_closed_file_of_version_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    let scratch = GridStore::open(&directory.path().join("scratch"), &GridOptions::default()).unwrap();
    let expected = fill(&scratch);
    std::fs::copy(golden("data"), directory.path().join("grid.data")).unwrap();
    open_and_compare(directory.path(), &expected);
}

#[test]
fn an_unclosed_file_of_version_1_opens_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["data", "wal"] {
        let to = directory.path().join(format!("grid.{file}"));
        std::fs::copy(golden(&format!("unclosed.{file}")), to).unwrap();
    }
    open_and_compare(directory.path(), image(false).states.last().unwrap());
}

/// Writes the golden files; run by hand when a new format version gets some of its own.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    fill(&store);
    store.compact().unwrap();
    store.close().unwrap();
    std::fs::create_dir_all(golden("data").parent().unwrap()).unwrap();
    std::fs::copy(directory.path().join("grid.data"), golden("data")).unwrap();
    let unclosed = image(false);
    std::fs::write(golden("unclosed.data"), unclosed.data).unwrap();
    std::fs::write(golden("unclosed.wal"), unclosed.wal).unwrap();
}
