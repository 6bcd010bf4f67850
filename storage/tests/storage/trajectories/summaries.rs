//! A log opens without reading the segments whose summaries an index keeps, and nothing but time depends on the index.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hyprstream_storage::{
    Error, LogPosition, Order, RebuildableIndex, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions,
    TrajectoryRecord,
};

const OPTIONS: TrajectoryLogOptions =
    TrajectoryLogOptions { segment_bytes: 20_000, reached: LogPosition::BEGINNING };

fn record(id: u64) -> TrajectoryRecord {
    TrajectoryRecord { id: id * 7 % 1000, time_ms: id, payload: vec![id as u8; 1000] }
}

fn open(directory: &Path, index: &RebuildableIndex) -> TrajectoryLog {
    TrajectoryLog::open_with(directory, &OPTIONS, Some(index)).unwrap()
}

/// A log of some segments, with the numbers of the segments of its records.
fn fill(directory: &Path, records: std::ops::Range<u64>) {
    let log = TrajectoryLog::open(directory, &OPTIONS).unwrap();
    records.for_each(|id| log.append(&[record(id)]).unwrap());
    log.flush().unwrap();
}

fn segment(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.log"))
}

fn scan(log: &TrajectoryLog) -> (Vec<u64>, bool) {
    let mut outcome: Vec<_> = log.scan(0..=u64::MAX, Order::Ascending, None).unwrap().collect();
    let damaged = outcome.pop_if(|last| matches!(last, Err(Error::Corrupt { .. }))).is_some();
    (outcome.into_iter().map(|found| found.unwrap().id).collect(), damaged)
}

/// Damages the middle of a segment, which only reading it through would notice.
fn flip(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let (at, mut byte) = (file.metadata().unwrap().len() / 2, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn an_opening_with_all_summaries_knows_what_one_without_does_and_reads_only_the_newest_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (from, index) =
        (directory.path().join("log"), RebuildableIndex::open(&directory.path().join("index")));
    fill(&from, 1..101);
    let without = TrajectoryLog::open(&from, &OPTIONS).unwrap();
    let expected =
        (without.statistics(), without.first_id(), without.last_id(), without.end(), scan(&without));
    without.keep_summaries(&index).unwrap();
    drop(without);
    let log = open(&from, &index);
    assert_eq!((log.statistics(), log.first_id(), log.last_id(), log.end(), scan(&log)), expected);
    drop(log);
    // Damage that an opening without summaries finds is left for those who read there.
    flip(&segment(&from, 2));
    let log = open(&from, &index);
    assert_eq!(log.statistics().records, 100);
    assert_eq!(log.verify().unwrap().damages.len(), 1);
    assert!(scan(&log).1);
    assert_eq!(scan(&log).0.len(), 99);
    drop(log);
    assert_eq!(TrajectoryLog::open(&from, &OPTIONS).unwrap().statistics().records, 99);
}

#[test]
fn a_summary_of_other_bytes_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (from, index) =
        (directory.path().join("log"), RebuildableIndex::open(&directory.path().join("index")));
    fill(&from, 1..101);
    drop(open(&from, &index));
    let first = scan(&open(&from, &index));
    // The same numbers of segments of the same lengths, with other records in them.
    fs::remove_dir_all(&from).unwrap();
    fill(&from, 301..401);
    let log = open(&from, &index);
    let (found, damaged) = scan(&log);
    assert!(!damaged && found != first.0);
    for id in 301..401 {
        assert_eq!(log.get(record(id).id).unwrap(), Some(record(id)), "{id}");
    }
    drop(log);
    // One that is shorter than the next one says.
    let file = File::options().write(true).open(segment(&from, 2)).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1024).unwrap();
    let (found, damaged) = scan(&open(&from, &index));
    assert!(damaged && found.len() == 99, "{}", found.len());
}

#[test]
fn what_retention_removed_and_a_lost_index_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (from, kept) = (directory.path().join("log"), directory.path().join("index"));
    fill(&from, 1..101);
    let index = RebuildableIndex::open(&kept);
    let log = open(&from, &index);
    log.retain(&RetentionPolicy { max_bytes: Some(50_000), max_age_ms: None }, 0).unwrap();
    log.keep_summaries(&index).unwrap();
    assert_eq!(index.get(format!("trajectories/segment/{:020}", 1).as_bytes()), None);
    let expected = scan(&log);
    drop((log, index));
    let index = RebuildableIndex::open(&kept);
    assert_eq!(scan(&open(&from, &index)), expected);
    drop(index);
    fs::remove_dir_all(&kept).unwrap();
    let index = RebuildableIndex::open(&kept);
    assert_eq!(scan(&open(&from, &index)), expected);
    let lowest = TrajectoryLog::open(&from, &OPTIONS).unwrap().end().segment - 1;
    assert!(index.get(format!("trajectories/segment/{lowest:020}").as_bytes()).is_some());
}

/// Prints how long a log of a gigabyte takes to open.
#[test]
#[ignore = "takes a gigabyte of disk"]
fn opening_a_log_of_a_gigabyte() {
    let directory = tempfile::tempdir().unwrap();
    let (from, index) =
        (directory.path().join("log"), RebuildableIndex::open(&directory.path().join("index")));
    let options = TrajectoryLogOptions::default();
    let log = TrajectoryLog::open(&from, &options).unwrap();
    let batch = |n: u64| (0..256).map(move |i| TrajectoryRecord { id: n * 256 + i, ..record(4 * n + i) });
    let batches = 1_000_000_000 / (256 * 1024);
    (0..batches).for_each(|n| log.append(&batch(n).collect::<Vec<_>>()).unwrap());
    log.flush().unwrap();
    let statistics = log.statistics();
    drop(log);
    println!("{statistics:?}");
    for (what, index) in [
        ("without an index", None),
        ("with an empty index", Some(&index)),
        ("with all summaries", Some(&index)),
        ("with all summaries", Some(&index)),
        ("without an index", None),
    ] {
        let begun = Instant::now();
        let log = TrajectoryLog::open_with(&from, &options, index).unwrap();
        println!("{what}: {:?}", begun.elapsed());
        assert_eq!(log.statistics(), statistics);
    }
}
