//! A log is copied while it is written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_storage::{
    Error, LogPosition, Order, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryRecord,
};

const OPTIONS: TrajectoryLogOptions =
    TrajectoryLogOptions { segment_bytes: 2000, reached: LogPosition::BEGINNING };

fn record(id: u64) -> TrajectoryRecord {
    TrajectoryRecord { id, time_ms: id, payload: vec![id as u8; 100] }
}

fn all(directory: &Path) -> Vec<TrajectoryRecord> {
    let log = TrajectoryLog::open(directory, &OPTIONS).unwrap();
    assert_eq!(log.verify().unwrap().damages, []);
    log.scan(0..=u64::MAX, Order::Ascending, None).unwrap().map(Result::unwrap).collect()
}

#[test]
fn copies_made_while_records_are_appended_and_removed_hold_all_that_was_there_before() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = TrajectoryLog::open(directory.path(), &OPTIONS).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in 1.. {
                log.append(&[record(id)]).unwrap();
                if id % 50 == 0 {
                    log.retain(&RetentionPolicy { max_bytes: Some(30_000), max_age_ms: None }, 0).unwrap();
                }
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for round in 0..10 {
            let before = log.last_id().unwrap_or_default();
            let into = copies.path().join(round.to_string());
            let copy = log.copy_to(&into).unwrap();
            let records = all(&into);
            assert!(records.last().map_or(0, |record| record.id) >= before, "round {round}");
            for (found, next) in records.iter().zip(records.iter().skip(1)) {
                assert_eq!((found, next.id), (&record(found.id), found.id + 1), "round {round}");
            }
            assert_eq!(copy.files, fs::read_dir(&into).unwrap().count() as u64 - 1, "all but the lock");
            assert!(matches!(log.copy_to(&into), Err(Error::AlreadyExists { .. })));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn closed_segments_are_linked_and_neither_log_changes_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("copy");
    let from = directory.path().join("log");
    let log = TrajectoryLog::open(&from, &OPTIONS).unwrap();
    (1..=60).for_each(|id| log.append(&[record(id)]).unwrap());
    let copy = log.copy_to(&into).unwrap();
    assert_eq!((copy.files, copy.linked), (4, 3));
    assert_eq!(copy.end.segment, 4);
    let inode = |directory: &Path, number: u64| {
        fs::metadata(directory.join(format!("{number:020}.log"))).unwrap().ino()
    };
    for number in 1..=4 {
        assert_eq!(inode(&from, number) == inode(&into, number), number < 4, "segment {number}");
    }
    log.append(&[record(61)]).unwrap();
    let copied = TrajectoryLog::open(&into, &OPTIONS).unwrap();
    copied.append(&[record(1000)]).unwrap();
    copied.flush().unwrap();
    log.flush().unwrap();
    copied.retain(&RetentionPolicy { max_bytes: Some(0), max_age_ms: None }, 0).unwrap();
    drop((log, copied));
    assert_eq!(all(&from), (1..=61).map(record).collect::<Vec<_>>());
    assert_eq!(all(&into).last(), Some(&record(1000)));
}

#[test]
fn damage_and_segments_that_were_set_aside_are_in_the_copy_as_they_are_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let (from, into) = (directory.path().join("log"), directory.path().join("copy"));
    let log = TrajectoryLog::open(&from, &OPTIONS).unwrap();
    (1..=60).for_each(|id| log.append(&[record(id)]).unwrap());
    log.flush().unwrap();
    drop(log);
    for (number, at) in [(2, 500), (4, 3)] {
        let path = from.join(format!("{number:020}.log"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let log = TrajectoryLog::open(&from, &OPTIONS).unwrap();
    log.copy_to(&into).unwrap();
    let copy = TrajectoryLog::open(&into, &OPTIONS).unwrap();
    let (here, there) = (log.verify().unwrap(), copy.verify().unwrap());
    assert_eq!((here.damages.len(), here.records), (2, there.records));
    for (here, there) in here.damages.iter().zip(&there.damages) {
        assert_eq!((here.offset, here.bytes, &here.reason), (there.offset, there.bytes, &there.reason));
        assert_eq!(here.file.file_name(), there.file.file_name());
    }
    assert!(log.end() > LogPosition::default());
}
