//! The trajectory log keeps what it acknowledged and finds it by id.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use hyprstream_storage::{
    Error, LogPosition, Order, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryRecord,
    salvage_trajectories,
};

fn record(id: u64) -> TrajectoryRecord {
    TrajectoryRecord { id, time_ms: id * 10, payload: vec![id as u8; 40 + (id % 60) as usize] }
}

fn open(directory: &tempfile::TempDir) -> TrajectoryLog {
    TrajectoryLog::open(
        directory.path(),
        &TrajectoryLogOptions { segment_bytes: 1000, reached: LogPosition::BEGINNING },
    )
    .unwrap()
}

fn ids(
    log: &TrajectoryLog,
    range: std::ops::RangeInclusive<u64>,
    order: Order,
    limit: Option<usize>,
) -> Vec<u64> {
    log.scan(range, order, limit).unwrap().map(|r| r.unwrap().id).collect()
}

fn segments(directory: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn records_come_back_by_range_order_and_limit_over_segments() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    for id in 1..=200 {
        log.append(&[record(id)]).unwrap();
    }
    assert!(segments(&directory).len() > 10);
    assert_eq!(ids(&log, 1..=200, Order::Ascending, None), (1..=200).collect::<Vec<_>>());
    assert_eq!(ids(&log, 50..=60, Order::Ascending, None), (50..=60).collect::<Vec<_>>());
    assert_eq!(ids(&log, 0..=u64::MAX, Order::NewestFirst, Some(3)), [200, 199, 198]);
    assert_eq!(ids(&log, 0..=100, Order::NewestFirst, Some(2)), [100, 99]);
    assert_eq!(log.get(77).unwrap().unwrap(), record(77));
    assert_eq!(log.get(201).unwrap(), None);
    assert_eq!(log.last_id(), Some(200));
}

#[test]
fn ids_out_of_order_are_sorted_and_the_later_of_two_counts() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    for id in (1..=100).rev() {
        log.append(&[record(id)]).unwrap();
    }
    let replaced = TrajectoryRecord { id: 50, time_ms: 1, payload: b"later".to_vec() };
    log.append(std::slice::from_ref(&replaced)).unwrap();
    assert_eq!(ids(&log, 1..=100, Order::Ascending, None), (1..=100).collect::<Vec<_>>());
    assert_eq!(ids(&log, 1..=100, Order::NewestFirst, None), (1..=100).rev().collect::<Vec<_>>());
    for order in [Order::Ascending, Order::NewestFirst] {
        let found: Vec<_> = log.scan(50..=50, order, None).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, std::slice::from_ref(&replaced));
    }
}

#[test]
fn a_torn_tail_is_cut_off_at_every_length() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    log.append(&[record(1), record(2)]).unwrap();
    log.flush().unwrap();
    let whole = fs::metadata(&segments(&directory)[0]).unwrap().len();
    log.append(&[record(3)]).unwrap();
    drop(log);
    let full = fs::read(&segments(&directory)[0]).unwrap();
    for cut in whole..full.len() as u64 {
        let file = OpenOptions::new().write(true).open(&segments(&directory)[0]).unwrap();
        fs::write(&segments(&directory)[0], &full).unwrap();
        file.set_len(cut).unwrap();
        let log = open(&directory);
        assert_eq!(ids(&log, 0..=9, Order::Ascending, None), [1, 2], "cut at {cut}");
        log.append(&[record(4)]).unwrap();
        assert_eq!(ids(&log, 0..=9, Order::Ascending, None), [1, 2, 4], "cut at {cut}");
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_the_other_segments_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    for id in 1..=100 {
        log.append(&[record(id)]).unwrap();
    }
    drop(log);
    let victim = &segments(&directory)[1];
    let mut bytes = fs::read(victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(victim, bytes).unwrap();
    let log = open(&directory);
    let outcome: Vec<_> = log.scan(0..=u64::MAX, Order::Ascending, None).unwrap().collect();
    let good = outcome.iter().filter(|r| r.is_ok()).count();
    assert!(good >= 85, "{good}");
    for found in outcome.iter().flatten() {
        assert_eq!(*found, record(found.id));
    }
    assert!(outcome.iter().any(|r| matches!(r, Err(Error::Corrupt { .. }))));
}

/// Leaves a log of ids 1 to 100 in many segments.
fn closed_log(directory: &tempfile::TempDir) {
    let log = open(directory);
    for id in 1..=100 {
        log.append(&[record(id)]).unwrap();
    }
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What a scan of everything yields: the ids, and whether damage is its last word.
fn everything(log: &TrajectoryLog, order: Order) -> (Vec<u64>, bool) {
    let mut outcome: Vec<_> = log.scan(0..=u64::MAX, order, None).unwrap().collect();
    let damaged = outcome.pop_if(|last| matches!(last, Err(Error::Corrupt { .. }))).is_some();
    let ids = outcome.into_iter().map(|found| found.unwrap().id).collect();
    (ids, damaged)
}

#[test]
fn damage_in_the_newest_segment_costs_one_record_and_nothing_is_cut_off() {
    for (what, inside) in [("length", 0), ("checksum", 5), ("id", 9), ("payload", 30)] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(&directory);
        log.append(&(1..=10).map(record).collect::<Vec<_>>()).unwrap();
        drop(log);
        let victim = segments(&directory).pop().unwrap();
        let before: u64 = (1..=4).map(|id| 24 + record(id).payload.len() as u64).sum();
        flip(&victim, 16 + before as usize + inside);
        let damaged = fs::read(&victim).unwrap();
        let expected = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11];
        let log = open(&directory);
        log.append(&[record(11)]).unwrap();
        assert_eq!(everything(&log, Order::Ascending), (expected.to_vec(), true), "{what}");
        drop(log);
        assert_eq!(fs::read(&victim).unwrap(), damaged, "{what}");
        let log = open(&directory);
        assert_eq!(everything(&log, Order::Ascending), (expected.to_vec(), true), "{what}");
        assert_eq!(log.get(10).unwrap().unwrap(), record(10), "{what}");
        assert!(matches!(log.get(5), Err(Error::Corrupt { .. })), "{what}");
        assert_eq!(log.last_id(), Some(11), "{what}");
    }
}

#[test]
fn a_scan_of_any_ids_meets_the_damage_of_an_older_segment() {
    let directory = tempfile::tempdir().unwrap();
    closed_log(&directory);
    let victim = &segments(&directory)[1];
    // The last record of its segment, so that no record behind it tells how far its ids reach.
    flip(victim, fs::metadata(victim).unwrap().len() as usize - 1);
    let log = open(&directory);
    let lost: Vec<_> = (1..=100).filter(|id| log.get(*id).is_err()).collect();
    let [lost] = lost[..] else { panic!("{lost:?}") };
    let expected: Vec<_> = (1..=100).filter(|id| *id != lost).collect();
    assert_eq!(everything(&log, Order::Ascending), (expected.clone(), true));
    let falling = expected.into_iter().rev().collect();
    assert_eq!(everything(&log, Order::NewestFirst), (falling, true));
    for id in [0, 101, u64::MAX] {
        assert!(matches!(log.get(id), Err(Error::Corrupt { .. })), "{id}");
    }
    assert_eq!(log.last_id(), Some(100));
}

#[test]
fn a_newest_segment_without_a_header_is_set_aside_and_the_rest_is_read() {
    let directory = tempfile::tempdir().unwrap();
    closed_log(&directory);
    for round in 0..2 {
        let victim = segments(&directory).pop().unwrap();
        flip(&victim, 3);
        let damaged = fs::read(&victim).unwrap();
        let log = open(&directory);
        assert!(!victim.exists());
        let kept = log.set_aside().to_vec();
        assert_eq!(kept.len(), round + 1);
        assert_eq!(fs::read(&kept[round]).unwrap(), damaged);
        let (found, damage) = everything(&log, Order::Ascending);
        assert!(!damage && found.len() > 80 && found.len() < 100, "{found:?}");
        log.append(&[record(200)]).unwrap();
        log.flush().unwrap();
        assert_eq!(log.get(200).unwrap().unwrap(), record(200));
        drop(log);
        let log = open(&directory);
        assert_eq!(log.set_aside(), kept);
        assert_eq!(log.get(200).unwrap().unwrap(), record(200));
    }
}

#[test]
fn retention_spares_a_damaged_segment_while_its_file_is_young() {
    let directory = tempfile::tempdir().unwrap();
    closed_log(&directory);
    flip(&segments(&directory)[0], 3);
    let log = open(&directory);
    let policy = RetentionPolicy { max_age_ms: Some(86_400_000), max_bytes: None };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let removed = log.retain(&policy, now.as_millis() as u64).unwrap();
    assert_eq!(removed.segments, 0);
    assert!(everything(&log, Order::Ascending).1);
}

#[test]
fn retention_goes_by_age_and_size_and_spares_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    for id in 1..=200 {
        log.append(&[record(id)]).unwrap();
    }
    let scan = log.scan(1..=200, Order::Ascending, None).unwrap();
    let before = log.statistics();
    let removed = log.retain(&RetentionPolicy { max_age_ms: Some(1000), max_bytes: None }, 2000).unwrap();
    assert!(removed.records > 80 && removed.records <= 99, "{removed:?}");
    assert_eq!(log.statistics().records, before.records - removed.records);
    let first = log.scan(0..=999, Order::Ascending, Some(1)).unwrap().next().unwrap().unwrap().id;
    assert_eq!(first, removed.records + 1);
    log.retain(&RetentionPolicy { max_age_ms: None, max_bytes: Some(3000) }, 2000).unwrap();
    assert!(log.statistics().bytes <= 3000);
    log.retain(&RetentionPolicy { max_age_ms: Some(0), max_bytes: Some(0) }, u64::MAX).unwrap();
    assert_eq!(log.statistics().segments, 1);
    assert_eq!(log.last_id(), Some(200));
    assert_eq!(scan.map(Result::unwrap).count(), 200, "a scan reads what was there when it began");
}

#[test]
fn records_survive_opening_again_and_a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    log.append(&(1..=50).map(record).collect::<Vec<_>>()).unwrap();
    log.flush().unwrap();
    let refused = TrajectoryLog::open(directory.path(), &TrajectoryLogOptions::default()).unwrap_err();
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    drop(log);
    let log = open(&directory);
    assert_eq!(ids(&log, 0..=99, Order::Ascending, None), (1..=50).collect::<Vec<_>>());
}

#[test]
fn verify_names_each_damaged_record_and_salvage_keeps_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    for id in 1..=60 {
        log.append(&[record(id)]).unwrap();
    }
    let report = log.verify().unwrap();
    assert_eq!((report.records, report.damages), (60, Vec::new()));
    let files = segments(&directory);
    // Segments hold records until they are longer than 1000 bytes.
    let (mut lost_ids, mut bytes, mut filled) = (Vec::new(), 16, 0);
    for id in 1..=60 {
        bytes += 24 + record(id).payload.len();
        if bytes >= 1000 && filled < 3 {
            (filled, bytes) = (filled + 1, 16);
            lost_ids.push(id);
        }
    }
    // The second record of the first segment, the header of the second and the last record of the third.
    let second = 16 + 24 + record(1).payload.len();
    let last = fs::metadata(&files[2]).unwrap().len() as usize - 1;
    for (file, at) in [(0, second + 30), (1, 3), (2, last)] {
        let mut bytes = fs::read(&files[file]).unwrap();
        bytes[at] ^= 1;
        fs::write(&files[file], bytes).unwrap();
    }
    let report = log.verify().unwrap();
    let found: Vec<_> = report
        .damages
        .iter()
        .map(|damage| (damage.file.clone(), damage.offset as usize, damage.bytes as usize))
        .collect();
    let length = |id: u64| 24 + record(id).payload.len();
    let lost = *lost_ids.last().unwrap();
    assert_eq!(report.records, 58);
    assert_eq!(
        found,
        [
            (files[0].clone(), second, length(2)),
            (files[1].clone(), 0, 16),
            (files[2].clone(), last + 1 - length(lost), length(lost)),
        ]
    );
    drop(log);
    let into = tempfile::tempdir().unwrap();
    let report = salvage_trajectories(directory.path(), into.path(), LogPosition::BEGINNING).unwrap();
    assert_eq!((report.records, report.damages.len()), (58, 3));
    let kept: Vec<u64> = (1..=60).filter(|id| *id != 2 && *id != lost).collect();
    assert_eq!(ids(&open(&into), 0..=u64::MAX, Order::Ascending, None), kept);
    assert_eq!(segments(&directory), files);
}

#[test]
fn a_torn_tail_is_no_damage_and_a_segment_that_was_set_aside_is_salvaged() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory);
    log.append(&[record(1), record(2)]).unwrap();
    drop(log);
    let file = segments(&directory).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let log = open(&directory);
    log.append(&[record(3), record(4)]).unwrap();
    let report = log.verify().unwrap();
    assert_eq!((report.records, report.damages.len()), (2, 1));
    assert!(report.damages[0].reason.contains("set aside"), "{report:?}");
    drop(log);
    let newest = segments(&directory).pop().unwrap();
    let length = fs::metadata(&newest).unwrap().len();
    OpenOptions::new().write(true).open(&newest).unwrap().set_len(length - 5).unwrap();
    let into = tempfile::tempdir().unwrap();
    let report = salvage_trajectories(directory.path(), into.path(), LogPosition::BEGINNING).unwrap();
    assert_eq!((report.records, report.damages.len()), (3, 1), "the header alone: {report:?}");
    assert_eq!(ids(&open(&into), 0..=u64::MAX, Order::Ascending, None), [1, 2, 3]);
}

/// A log of two segments, and where it ends.
fn two_segments(directory: &Path) -> LogPosition {
    let log = TrajectoryLog::open(directory, &options(LogPosition::BEGINNING)).unwrap();
    for id in 1..=12 {
        log.append(&[TrajectoryRecord { id, time_ms: id, payload: vec![7; 100] }]).unwrap();
    }
    log.flush().unwrap();
    assert_eq!(log.end().segment, 2);
    log.end()
}

fn options(reached: LogPosition) -> TrajectoryLogOptions {
    TrajectoryLogOptions { segment_bytes: 1000, reached }
}

#[test]
fn a_newest_segment_that_is_missing_emptied_or_shortened_is_damage_to_whoever_knows_how_long_the_log_was() {
    let newest = "00000000000000000002.log";
    for damage in ["none", "missing", "emptied", "shortened", "all missing"] {
        let (directory, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let reached = two_segments(directory.path());
        let path = directory.path().join(newest);
        let bytes = fs::read(&path).unwrap();
        match damage {
            "missing" => fs::remove_file(&path).unwrap(),
            "emptied" => fs::write(&path, b"").unwrap(),
            "shortened" => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            "all missing" => {
                fs::remove_file(directory.path().join("00000000000000000001.log")).unwrap();
                fs::remove_file(&path).unwrap();
            }
            _ => {}
        }
        let is_damaged = damage != "none";
        let salvaged = salvage_trajectories(directory.path(), &into.path().join("log"), reached).unwrap();
        assert_eq!(!salvaged.damages.is_empty(), is_damaged, "{damage}: {salvaged:?}");
        // The second opening is not told the end any more: the log says it itself, unless nothing of it is left, which
        // looks as if retention had removed it.
        for (known, is_damaged) in
            [(reached, is_damaged), (LogPosition::BEGINNING, is_damaged && damage != "all missing")]
        {
            let log = TrajectoryLog::open(directory.path(), &options(known)).unwrap();
            let damages = log.verify().unwrap().damages;
            assert_eq!(!damages.is_empty(), is_damaged, "{damage}: {damages:?}");
            let read: Result<Vec<_>, Error> =
                log.scan(0..=u64::MAX, Order::Ascending, None).unwrap().collect();
            assert_eq!(read.is_err(), is_damaged, "{damage}");
            log.append(&[TrajectoryRecord { id: 100, time_ms: 100, payload: vec![1] }]).unwrap();
            log.flush().unwrap();
            assert!(log.end() > reached, "{damage}");
        }
    }
}
