//! Backups: of a directory in use, of a damaged one, and damaged ones.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bench, ask, contents, conversation, names, part, put, refusal};
use crate::{Engine, EngineOptions, Error, TrajectoryFilter, restore};

/// What tables and records an engine shows.
fn shown(engine: &Engine) -> String {
    let tables: Vec<_> = engine.tables().names().unwrap();
    let entries: Vec<_> = tables.iter().map(|name| engine.tables().table(name).unwrap()).collect();
    let answers: Vec<_> =
        engine.trajectories(&TrajectoryFilter::default()).unwrap().map(|row| row.unwrap().id).collect();
    format!("{entries:?} {:?} {:?} {answers:?}", engine.settings().unwrap(), engine.conversations().unwrap())
}

async fn used() -> Bench {
    let bench = Bench::new();
    bench.engine.set_setting("hyprstream.trajectory_days", "4").unwrap();
    put(&bench.engine, "session/talk", &conversation(&"word ".repeat(200)));
    bench.engine.tables().put("t", b"columns", vec![part(&bench.engine, 1, "first")]).unwrap();
    bench.engine.complete(ask("hello", 2)).await.unwrap();
    fs::create_dir(bench.engine.files_dir().join("empty")).unwrap();
    fs::write(bench.engine.files_dir().join("data.csv"), "a\n1\n").unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_shows_what_was_there() {
    let bench = used().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (backup, into) = (elsewhere.path().join("backup"), elsewhere.path().join("deep/restored"));
    let made = bench.engine.backup(&backup).unwrap();
    assert!(made.linked >= 1 && made.directory == backup, "{made:?}");
    let expected = shown(&bench.engine);
    bench.engine.set_setting("hyprstream.trajectory_days", "5").unwrap();
    bench.engine.tables().remove("t").unwrap();
    let before = contents(&backup);
    let restored = restore(&backup, &into).unwrap();
    assert_eq!((restored.files, restored.bytes), (made.files, made.bytes));
    let engine = Engine::open(EngineOptions::new(&into)).unwrap();
    assert_eq!(shown(&engine), expected);
    assert_eq!(engine.verify_store().await.unwrap().damages, []);
    assert_eq!(fs::read(into.join("files/data.csv")).unwrap(), b"a\n1\n");
    assert!(into.join("files/empty").is_dir());
    engine.tables().append("t", part(&engine, 2, "second")).unwrap();
    engine.complete(ask("hello", 2)).await.unwrap();
    engine.close().unwrap();
    assert!(contents(&backup) == before, "using what was restored changed the backup");
    assert!(refusal(&backup).contains("is a backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_directory_that_is_written_is_one_of_a_single_moment() {
    let bench = used().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let engine = &bench.engine;
    let stop = AtomicBool::new(false);
    engine.tables().put("numbers", b"", Vec::new()).unwrap();
    let backups = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Each number is in a part of its own, and now and then all parts become one.
            for number in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                engine.set_setting("hyprstream.trajectory_days", &number.to_string()).unwrap();
                engine.tables().append("numbers", part(engine, 1, &format!("{number} "))).unwrap();
                if number % 5 == 0 {
                    merge(engine);
                }
            }
        });
        let made: Vec<_> = (0..3)
            .map(|number| {
                let into = elsewhere.path().join(format!("backup-{number}"));
                engine.backup(&into).map(|_| into)
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        made
    });
    for (number, backup) in backups.into_iter().enumerate() {
        let into = elsewhere.path().join(format!("restored-{number}"));
        restore(&backup.unwrap(), &into).unwrap();
        let restored = Engine::open(EngineOptions::new(&into)).unwrap();
        assert_eq!(restored.verify_store().await.unwrap().damages, []);
        let text = text_of(&restored);
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let last: u64 = restored.setting("hyprstream.trajectory_days").unwrap().parse().unwrap();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
        // The setting is written first.
        assert!([0, 1].contains(&(last - numbers.len() as u64)) || numbers.is_empty(), "{last} {numbers:?}");
        assert_eq!(restored.tables().set_aside_unreferenced().unwrap(), Vec::<String>::new());
    }
}

fn text_of(engine: &Engine) -> String {
    let entry = engine.tables().table("numbers").unwrap().unwrap();
    let read = |part: &crate::StoredPart| {
        let reader = engine.tables().parts().reader(&part.record).unwrap();
        String::from_utf8(reader.read(0..reader.bytes()).unwrap()).unwrap()
    };
    entry.parts.iter().map(read).collect()
}

/// Puts all parts into one and removes their files.
fn merge(engine: &Engine) {
    let before = engine.tables().table("numbers").unwrap().unwrap().parts;
    let numbers: Vec<u64> = before.iter().map(|part| part.number).collect();
    let merged = part(engine, before.iter().map(|part| part.rows).sum(), &text_of(engine));
    engine.tables().replace_parts("numbers", &numbers, Some(merged)).unwrap();
    for part in &before {
        engine.tables().parts().remove(&part.record.name).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_a_changed_byte_or_without_a_file_is_not_restored() {
    let bench = used().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (backup, into) = (elsewhere.path().join("backup"), elsewhere.path().join("restored"));
    bench.engine.backup(&backup).unwrap();
    for (path, whole) in contents(&backup) {
        let name = path.strip_prefix(&backup).unwrap().display().to_string();
        if name == "backup.json" {
            continue;
        }
        // Not in place: it may be a link to a file of the data directory.
        fs::remove_file(&path).unwrap();
        let error = restore(&backup, &into).unwrap_err();
        assert!(error.to_string().contains(&format!("{name} ")), "{error}");
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 4;
        fs::write(&path, changed).unwrap();
        let error = restore(&backup, &into).unwrap_err();
        assert!(matches!(&error, Error::Corrupt(what) if what.contains(&format!("{name} has "))), "{error}");
        assert!(!into.exists());
        fs::write(&path, whole).unwrap();
    }
    let inventory = fs::read_to_string(backup.join("backup.json")).unwrap();
    let outside = inventory.replace("hyprstream.json", "../stream.json");
    fs::write(backup.join("backup.json"), outside).unwrap();
    let error = restore(&backup, &into).unwrap_err().to_string();
    assert!(error.contains("which is not in it"), "{error}");
    fs::remove_file(backup.join("backup.json")).unwrap();
    let error = restore(&backup, &into).unwrap_err().to_string();
    assert!(error.contains("is not a complete backup"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_named_and_there_is_no_backup() {
    let bench = used().await;
    let part = bench.engine.tables().table("t").unwrap().unwrap().parts.remove(0).record.name;
    fs::write(bench.engine.tables_dir().join(&part), "First").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup");
    let error = bench.engine.backup(&backup).unwrap_err();
    assert!(matches!(&error, Error::Corrupt(what) if what.contains(&part)), "{error}");
    assert!(!backup.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_among_the_files_is_not_part_of_the_next_one() {
    let bench = used().await;
    let files = bench.engine.files_dir();
    let first = bench.engine.backup(&files.join("first")).unwrap();
    let second = bench.engine.backup(&files.join("second")).unwrap();
    assert_eq!(first.files, second.files);
    assert_eq!(names(&files.join("second/files")), ["data.csv", "empty"]);
    for inside in ["tables/backup", "backup"] {
        let error = bench.engine.backup(&bench.directory.path().join(inside)).unwrap_err().to_string();
        assert!(error.contains("is inside"), "{error}");
        assert!(!bench.directory.path().join(inside).exists());
    }
    let error = bench.engine.backup(&files.join("first")).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    let occupied: &Path = &files;
    let error = restore(&files.join("first"), occupied).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_answers_end_a_backup_and_nothing_is_left_of_it() {
    let bench = used().await;
    assert_eq!(bench.engine.verify_store().await.unwrap().records, 1);
    let log = bench.directory.path().join("trajectories/00000000000000000001.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[50] ^= 1;
    fs::write(&log, bytes).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup");
    let error = bench.engine.backup(&backup).unwrap_err().to_string();
    assert!(error.contains("00000000000000000001.log is damaged at byte"), "{error}");
    assert!(!backup.exists());
}
