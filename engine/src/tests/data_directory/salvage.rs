//! Salvage of directories that have lost a part: the rest is kept, what is lost is named, and the source stays as it is.

use std::fs;
use std::path::Path;

use super::take_over::version_1;
use super::{Bench, ask, contents, part};
use crate::{Engine, EngineOptions, SalvagedStore, salvage};

/// A closed directory with a setting, a table, a recorded answer and a file.
async fn used() -> tempfile::TempDir {
    let Bench { engine, directory } = Bench::new();
    engine.set_setting("hyprstream.trajectory_days", "4").unwrap();
    engine.tables().put("t", b"columns", vec![part(&engine, 1, "rows")]).unwrap();
    engine.complete(ask("hello", 2)).await.unwrap();
    fs::write(engine.files_dir().join("data.csv"), "a\n1\n").unwrap();
    engine.close().unwrap();
    directory
}

/// Salvages a directory, which must not change, and opens what was made of it.
fn salvaged(from: &Path, into: &Path) -> (SalvagedStore, std::sync::Arc<Engine>) {
    let look = || {
        let mut found = contents(from);
        found.retain(|path, _| path.extension().is_none_or(|extension| extension != "lock"));
        found
    };
    let before = look();
    let salvaged = salvage(from, into).unwrap();
    assert!(look() == before, "the source was changed");
    (salvaged, Engine::open(EngineOptions::new(into)).unwrap())
}

fn lost(salvaged: &SalvagedStore) -> Vec<&str> {
    salvaged.lost.iter().map(|lost| lost.file.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_directory_is_kept_but_for_the_files_of_tables() {
    let directory = used().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (report, engine) = salvaged(directory.path(), &elsewhere.path().join("new"));
    assert_eq!((report.records, report.lost.len()), (1, 0), "{report:?}");
    assert_eq!(engine.setting("hyprstream.trajectory_days").unwrap(), "4");
    assert_eq!(engine.tables().table("t").unwrap().unwrap().parts[0].rows, 1);
    assert_eq!(engine.tables().parts().names().unwrap(), Vec::<String>::new());
    assert_eq!(fs::read(engine.files_dir().join("data.csv")).unwrap(), b"a\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_weight_store_the_rest_is_kept() {
    let directory = used().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let grid = directory.path().join("grid/grid.data");
    let len = fs::metadata(&grid).unwrap().len();
    fs::write(&grid, vec![0; len as usize]).unwrap();
    let (report, engine) = salvaged(directory.path(), &elsewhere.path().join("hopeless"));
    assert_eq!((report.records, lost(&report)), (1, vec!["grid/grid.data"]));
    assert_eq!(engine.setting("hyprstream.trajectory_days").unwrap(), "0");
    fs::remove_dir_all(directory.path().join("grid")).unwrap();
    fs::remove_dir_all(directory.path().join("trajectories")).unwrap();
    let (report, _) = salvaged(directory.path(), &elsewhere.path().join("missing"));
    assert_eq!((report.records, lost(&report)), (0, vec!["grid/grid.data", "trajectories"]));
}

#[test]
fn of_a_version_1_directory_the_records_are_kept_or_named_as_lost() {
    let directory = version_1();
    let elsewhere = tempfile::tempdir().unwrap();
    let (report, engine) = salvaged(directory.path(), &elsewhere.path().join("whole"));
    assert_eq!(lost(&report), Vec::<&str>::new());
    assert_eq!(engine.setting("hyprstream.trajectory_days").unwrap(), "9");
    assert_eq!(engine.tables().names().unwrap(), ["notes"]);
    fs::remove_file(directory.path().join("catalog/db")).unwrap();
    let (report, engine) = salvaged(directory.path(), &elsewhere.path().join("unreadable"));
    assert_eq!(lost(&report), ["catalog"]);
    assert_eq!(engine.tables().names().unwrap(), Vec::<String>::new());
    fs::remove_dir_all(directory.path().join("catalog")).unwrap();
    let (report, _) = salvaged(directory.path(), &elsewhere.path().join("without"));
    assert_eq!(lost(&report), ["catalog"]);
}
