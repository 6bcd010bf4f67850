//! Directories of version 1: what becomes of them, and of attempts that are cut short.

use std::fs;
use std::path::Path;

use hyprstream_storage::{GridOptions, GridStore};
use tempfile::TempDir;

use super::{conversation, names, options, refusal, set_aside};
use crate::Engine;

const NOTES: &[u8] = br#"{"kind":"stored","schema":"","parts":["a.parquet"],"defaults":[]}"#;
const STEP: &[u8] = br#"[{"run_id":1,"step":1,"epoch":1.0,"loss":0.5,"val_loss":null,"learning_rate":0.1,"grad_norm":1.0,"tokens_per_s":2.0,"elapsed_ms":3.0}]"#;

/// A directory as version 1 left it.
pub(super) fn version_1() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for part in ["models", "cache", "trajectories", "tables", "files"] {
        fs::create_dir(directory.path().join(part)).unwrap();
    }
    fs::write(directory.path().join("tables/a.parquet"), "rows").unwrap();
    drop(GridStore::open(&directory.path().join("grid"), &GridOptions::default()).unwrap());
    let catalog = sled::open(directory.path().join("catalog")).unwrap();
    let records: [(&str, &[u8]); 5] = [
        ("setting/hyprstream.trajectory_days", b"9"),
        ("session/talk", &conversation("hello")),
        ("table/table/notes", NOTES),
        ("steps/0000000000000001/0000000000000001", STEP),
        ("trajectory/reserved", &70_000u64.to_le_bytes()),
    ];
    for (key, value) in records {
        catalog.insert(key, value).unwrap();
    }
    catalog.flush().unwrap();
    directory
}

fn open(directory: &TempDir) -> std::sync::Arc<Engine> {
    Engine::open(options(directory)).unwrap()
}

fn days(engine: &Engine) -> String {
    engine.setting("hyprstream.trajectory_days").unwrap()
}

#[test]
fn everything_that_the_catalog_had_is_there_and_the_catalog_is_set_aside() {
    let directory = version_1();
    for _ in 0..2 {
        let engine = open(&directory);
        assert_eq!(days(&engine), "9");
        assert_eq!(engine.conversations().unwrap()[0].turns, 3);
        let notes = engine.tables().table("notes").unwrap().unwrap();
        assert_eq!((notes.definition.as_slice(), notes.parts.len()), (NOTES, 0));
        assert_eq!(engine.training_steps(Some(1)).unwrap()[0].loss.to_bits(), 0.5_f32.to_bits());
        assert!(engine.recorder.allocate_id() >= 70_000);
        assert_eq!(engine.tables().set_aside_unreferenced().unwrap(), Vec::<String>::new());
    }
    assert!(directory.path().join("tables/a.parquet").exists());
    assert!(set_aside(directory.path(), "catalog/db").exists());
    // Version 1 makes a directory of this name, so it does not start here and removes no table that it does not know.
    assert!(fs::create_dir_all(directory.path().join("catalog")).is_err());
}

#[test]
fn a_take_over_that_was_cut_short_is_finished_and_never_done_twice() {
    let directory = version_1();
    let path = |part: &str| directory.path().join(part);
    // Cut short while the catalog was read.
    fs::create_dir(path("catalog.reading")).unwrap();
    fs::write(path("catalog.reading/db"), "half").unwrap();
    let engine = open(&directory);
    assert_eq!(days(&engine), "9");
    engine.set_setting("hyprstream.trajectory_days", "11").unwrap();
    engine.close().unwrap();
    drop(engine);
    // After the commit: the catalog is where it was, and nothing says that the directory is complete.
    fs::remove_file(path("hyprstream.json")).unwrap();
    fs::remove_file(path("catalog")).unwrap();
    fs::rename(set_aside(directory.path(), "catalog"), path("catalog")).unwrap();
    assert_eq!(days(&open(&directory)), "11");
    assert!(path("catalog").is_file() && set_aside(directory.path(), "catalog/db").exists());
    // After the catalog was set aside.
    fs::remove_file(path("hyprstream.json")).unwrap();
    fs::remove_file(path("catalog")).unwrap();
    assert_eq!(days(&open(&directory)), "11");
    assert_eq!(fs::read(path("hyprstream.json")).unwrap(), br#"{"version":2}"#);
    assert!(!path("catalog.reading").exists());
}

#[test]
fn a_catalog_that_cannot_be_read_stops_the_start_and_stays() {
    let directory = version_1();
    let catalog = directory.path().join("catalog");
    fs::rename(catalog.join("db"), catalog.join("elsewhere")).unwrap();
    let before = names(&catalog);
    for _ in 0..2 {
        let error = refusal(directory.path());
        assert!(error.contains("catalog") && error.contains("hyprstream salvage"), "{error}");
        assert_eq!(names(&catalog), before);
        assert!(directory.path().join("tables/a.parquet").exists());
        assert!(!directory.path().join("hyprstream.json").exists());
    }
    fs::rename(catalog.join("elsewhere"), catalog.join("db")).unwrap();
    assert_eq!(days(&open(&directory)), "9");
}

#[test]
fn a_version_1_directory_without_a_part_is_refused_by_its_name() {
    for part in ["grid/grid.data", "trajectories", "tables", "catalog"] {
        let directory = version_1();
        let path: &Path = &directory.path().join(part);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        let error = refusal(directory.path());
        assert!(error.contains(&format!("has lost {part};")), "{error}");
        assert!(!path.exists(), "{part}");
    }
}
