//! A reader that follows the log meets every record once, in the order in which they were appended.

use std::fs;

use hyprstream_storage::{
    LogPosition, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryRecord,
};

fn record(id: u64) -> TrajectoryRecord {
    TrajectoryRecord { id, time_ms: id, payload: vec![7; 100] }
}

fn open(directory: &tempfile::TempDir) -> TrajectoryLog {
    TrajectoryLog::open(
        directory.path(),
        &TrajectoryLogOptions { segment_bytes: 1000, reached: LogPosition::BEGINNING },
    )
    .unwrap()
}

/// The ids of everything behind `from`, read `limit` at a time.
fn follow(log: &TrajectoryLog, from: LogPosition, limit: usize) -> Vec<u64> {
    let (mut ids, mut position, end) = (Vec::new(), from, log.end());
    while position < end {
        let range = log.read_range(position, end, limit).unwrap();
        assert!(range.end > position && range.records.len() <= limit);
        ids.extend(range.records.iter().map(|record| record.id));
        position = range.end;
    }
    ids
}

#[test]
fn what_was_appended_is_met_once_and_in_that_order_over_segments() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    let (mut position, mut met) = (LogPosition::default(), Vec::new());
    // Later ids first, as when a long answer ends behind a short one.
    let appended: Vec<u64> = (2..=61).map(|id| id ^ 1).collect();
    for (round, id) in appended.iter().enumerate() {
        log.append(&[record(*id)]).unwrap();
        if round % 7 == 0 {
            let range = log.read_range(position, log.end(), usize::MAX).unwrap();
            met.extend(range.records.iter().map(|record| record.id));
            assert_eq!(range.end, log.end());
            position = range.end;
        }
    }
    met.extend(follow(&log, position, 3));
    assert_eq!(met, appended);
    assert_eq!(follow(&log, LogPosition::default(), 1), appended);
    assert_eq!(log.first_id(), Some(2));
    drop(log);
    assert_eq!(follow(&open(&directory), position, 2), appended[57..]);
}

#[test]
fn what_came_behind_the_end_that_was_asked_for_is_left_for_the_next_time() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    log.append(&[record(1), record(2)]).unwrap();
    let end = log.end();
    log.append(&[record(3)]).unwrap();
    let range = log.read_range(LogPosition::default(), end, 10).unwrap();
    assert_eq!((range.records.len(), range.end), (2, end));
    assert_eq!(follow(&log, end, 10), [3]);
}

#[test]
fn what_retention_removed_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    (1..=60).for_each(|id| log.append(&[record(id)]).unwrap());
    let policy = RetentionPolicy { max_bytes: Some(2500), ..RetentionPolicy::default() };
    let removed = log.retain(&policy, 0).unwrap().records;
    let left: Vec<u64> = (removed + 1..=60).collect();
    assert_eq!(follow(&log, LogPosition::default(), 4), left);
    assert_eq!(log.first_id(), Some(removed + 1));
}

#[test]
fn a_damaged_record_and_a_damaged_header_cost_only_what_they_damage() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    (1..=30).for_each(|id| log.append(&[record(id)]).unwrap());
    drop(log);
    for (segment, byte) in [(1, 16 + 124 + 60), (2, 3)] {
        let path = directory.path().join(format!("{segment:020}.log"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[byte] ^= 0xff;
        fs::write(&path, bytes).unwrap();
    }
    let log = open(&directory);
    let met = follow(&log, LogPosition::default(), 5);
    let expected: Vec<u64> = [1].into_iter().chain(3..=8).chain(17..=30).collect();
    assert_eq!(met, expected);
}
