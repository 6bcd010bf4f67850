//! Second processes, and processes that are killed.
//!
//! A test starts this program again with one test, `child`, that does what the environment says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyprstream_storage::{
    DataType, DirectoryLock, Durability, Error, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch,
};

use crate::support::Rng;

fn start(role: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash_safety::processes::child", "--nocapture", "--ignored"])
        .env("HYPRSTREAM_TEST_ROLE", role)
        .env("HYPRSTREAM_TEST_DIRECTORY", directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn path() -> MatrixPath {
    MatrixPath::new("support", "1", 0, "q_proj", "A")
}

#[test]
#[ignore = "a part of the other tests, which start it in a process of its own"]
fn child() {
    let Ok(role) = std::env::var("HYPRSTREAM_TEST_ROLE") else {
        return;
    };
    let directory = std::env::var("HYPRSTREAM_TEST_DIRECTORY").unwrap();
    let directory = Path::new(&directory);
    match role.as_str() {
        "open" => {
            let error = GridStore::open(directory, &GridOptions::default()).unwrap_err();
            println!("\nanswer {error}");
        }
        "grid" => {
            let store = GridStore::open(directory, &GridOptions::default()).unwrap();
            let from = store.snapshot().matrix(&path()).unwrap().map_or(0, |m| m.get(0, 0).unwrap() as u32);
            for n in from + 1.. {
                if n % 7 == 0 || from + 1 == n {
                    let mut write = store.begin_write().unwrap();
                    write.put_matrix(&path(), Shape::new(64, 64), DataType::F32, &[n as f32; 4096]).unwrap();
                    write.commit(Durability::Immediate).unwrap();
                } else {
                    let mut batch = UpdateBatch::new();
                    for row in 0..64 {
                        batch.set(&path(), &[(row, row, n as f32)]);
                    }
                    store.update(&batch, Durability::Immediate).unwrap();
                }
                println!("\nanswer {n}");
            }
        }
        other => panic!("unknown role {other}"),
    }
}

fn answers(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("answer ").map(str::to_owned))
}

/// Runs a child, kills it after a while and returns the last number it acknowledged.
fn run_and_kill(role: &str, directory: &Path, after_ms: u64) -> Option<u64> {
    let mut child = start(role, directory);
    let reader = answers(&mut child);
    let collected = std::thread::spawn(move || reader.last());
    std::thread::sleep(Duration::from_millis(after_ms));
    child.kill().unwrap();
    child.wait().unwrap();
    collected.join().unwrap().map(|answer| answer.trim().parse().unwrap())
}

#[test]
fn a_second_process_is_told_who_holds_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let options = GridOptions { note: "127.0.0.1:5433".to_owned(), ..GridOptions::default() };
    let store = GridStore::open(directory.path(), &options).unwrap();
    store.set_note("127.0.0.1:6000").unwrap();
    let mut child = start("open", directory.path());
    let answer = answers(&mut child).next().unwrap();
    child.wait().unwrap();
    assert!(answer.contains(&std::process::id().to_string()), "{answer}");
    assert!(answer.contains("127.0.0.1:6000"), "{answer}");
    let holder = DirectoryLock::holder(directory.path(), "grid.lock").unwrap().unwrap();
    assert_eq!((holder.pid, holder.note.as_str()), (Some(std::process::id()), "127.0.0.1:6000"));
    let snapshot = store.snapshot();
    store.close().unwrap();
    let refused = GridStore::open(directory.path(), &options).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "a snapshot still reads the file: {refused}");
    drop(snapshot);
    GridStore::open(directory.path(), &options).unwrap();
}

#[test]
fn the_grid_keeps_what_it_acknowledged_through_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = Rng(2);
    for _ in 0..8 {
        let last = run_and_kill("grid", directory.path(), 60 + rng.below(300));
        let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        assert!(store.verify().unwrap().damages.is_empty());
        let Some(last) = last else { continue };
        let mut values = vec![0.0; 4096];
        store.snapshot().read_matrix(&path(), &mut values).unwrap();
        let found = values[0] as u64;
        assert!(found == last || found == last + 1, "acknowledged {last}, found {found}");
        for row in 0..64 {
            assert_eq!(values[row * 64 + row] as u64, found, "half of an update");
        }
    }
}
