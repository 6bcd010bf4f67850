//! Starts without a part of the data directory: refused by name, or made again where nothing is lost.

use std::fs;

use super::{Bench, ask, names, refusal};
use crate::{Engine, EngineOptions, Error};

/// A closed directory with a setting and a recorded answer.
async fn used() -> tempfile::TempDir {
    let Bench { engine, directory } = Bench::new();
    engine.set_setting("hyprstream.trajectory_days", "5").unwrap();
    engine.complete(ask("hello", 2)).await.unwrap();
    engine.close().unwrap();
    directory
}

fn open(directory: &tempfile::TempDir) -> std::sync::Arc<Engine> {
    Engine::open(super::options(directory)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_part_is_refused_by_its_name_and_changes_nothing() {
    let directory = used().await;
    for part in ["grid/grid.data", "grid", "trajectories", "tables", "models", "files"] {
        let away = directory.path().join("away");
        fs::rename(directory.path().join(part), &away).unwrap();
        let before = names(directory.path());
        let error = refusal(directory.path());
        let named = if part == "grid" { "grid/grid.data" } else { part };
        assert!(error.contains(&format!("has lost {named};")), "{error}");
        assert!(error.contains("hyprstream restore") && error.contains("hyprstream salvage"), "{error}");
        assert_eq!(names(directory.path()), before);
        fs::rename(&away, directory.path().join(part)).unwrap();
    }
    assert_eq!(open(&directory).setting("hyprstream.trajectory_days").unwrap(), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_made_again_is() {
    let directory = used().await;
    for part in ["cache", "index", "hyprstream.json", "hyprstream.lock"] {
        let path = directory.path().join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let engine = open(&directory);
        assert_eq!(engine.setting("hyprstream.trajectory_days").unwrap(), "5", "{part}");
        assert!(path.exists(), "{part}");
    }
    for damaged in [&b""[..], b"{\"version\":3}", b"{\"version\":2", b"\0\0"] {
        fs::write(directory.path().join("hyprstream.json"), damaged).unwrap();
        assert_eq!(open(&directory).setting("hyprstream.trajectory_days").unwrap(), "5");
        let marker = fs::read(directory.path().join("hyprstream.json")).unwrap();
        assert_eq!(marker, br#"{"version":2}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_store_of_another_directory_is_refused() {
    let directory = used().await;
    let other = tempfile::tempdir().unwrap();
    let options = hyprstream_storage::GridOptions::default();
    drop(hyprstream_storage::GridStore::open(&other.path().join("grid"), &options).unwrap());
    fs::rename(directory.path().join("grid"), directory.path().join("files/grid")).unwrap();
    fs::rename(other.path().join("grid"), directory.path().join("grid")).unwrap();
    let error = refusal(directory.path());
    assert!(error.contains("is not that of this data directory"), "{error}");
    fs::remove_file(directory.path().join("hyprstream.json")).unwrap();
    let error = refusal(directory.path());
    assert!(error.contains("has lost catalog;"), "{error}");
}

#[test]
fn only_a_directory_without_any_part_becomes_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("models")).unwrap();
    fs::create_dir(directory.path().join("files")).unwrap();
    fs::write(directory.path().join("files/data.csv"), "a\n1\n").unwrap();
    drop(open(&directory));
    assert_eq!(fs::read(directory.path().join("files/data.csv")).unwrap(), b"a\n1\n");

    let strange = tempfile::tempdir().unwrap();
    fs::write(strange.path().join("thesis.txt"), "my work").unwrap();
    drop(open(&strange));
    assert_eq!(fs::read(strange.path().join("thesis.txt")).unwrap(), b"my work");

    let left = tempfile::tempdir().unwrap();
    fs::create_dir(left.path().join("tables")).unwrap();
    let error = refusal(left.path());
    assert!(error.contains("has lost grid/grid.data, trajectories, models, files;"), "{error}");
}

#[test]
fn a_new_directory_that_was_cut_short_opens() {
    // Each case is what is there when the process is killed after so many of the steps that make a directory.
    let steps: [&dyn Fn(&std::path::Path); 5] = [
        &|path| fs::write(path.join("hyprstream.lock"), "1\n\n").unwrap(),
        &|path| fs::write(path.join("hyprstream.json.new"), "{\"ver").unwrap(),
        &|path| fs::write(path.join("hyprstream.json"), r#"{"version":2,"unfinished":"new"}"#).unwrap(),
        &|path| ["models", "grid"].iter().for_each(|part| fs::create_dir(path.join(part)).unwrap()),
        &|path| {
            let options = hyprstream_storage::GridOptions::default();
            drop(hyprstream_storage::GridStore::open(&path.join("grid"), &options).unwrap());
        },
    ];
    for count in 0..=steps.len() {
        let directory = tempfile::tempdir().unwrap();
        steps[..count].iter().for_each(|step| step(directory.path()));
        let engine = open(&directory);
        engine.set_setting("hyprstream.trajectory_days", "3").unwrap();
        engine.close().unwrap();
        drop(engine);
        assert_eq!(open(&directory).setting("hyprstream.trajectory_days").unwrap(), "3", "{count}");
    }
}

#[test]
fn a_backup_and_a_copy_that_was_cut_short_are_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    for (unfinished, command) in [("restore", "hyprstream restore"), ("salvage", "hyprstream salvage")] {
        let marker = format!(r#"{{"version":2,"unfinished":"{unfinished}"}}"#);
        fs::write(directory.path().join("hyprstream.json"), marker).unwrap();
        let error = refusal(directory.path());
        assert!(error.contains(command) && error.contains("did not end"), "{error}");
    }
    fs::write(directory.path().join("backup.json"), "{}").unwrap();
    let error = Engine::open(EngineOptions::new(directory.path())).unwrap_err();
    assert!(matches!(&error, Error::Refused(reason) if reason.contains("is a backup")), "{error}");
}
