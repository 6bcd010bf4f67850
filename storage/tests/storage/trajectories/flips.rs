//! Whatever byte of a log is damaged, it is reported or harmless: never a wrong record, never one that is silently missing.

use std::fs;
use std::path::{Path, PathBuf};

use hyprstream_storage::{
    Error, LogPosition, Order, TrajectoryLog, TrajectoryLogOptions, TrajectoryRecord, salvage_trajectories,
};

/// Segments of a few records each.
const OPTIONS: TrajectoryLogOptions =
    TrajectoryLogOptions { segment_bytes: 150, reached: LogPosition::BEGINNING };

fn record(id: u64) -> TrajectoryRecord {
    // Ids that do not come in order, times of their own, and an empty payload among them.
    TrajectoryRecord {
        id: id ^ 1,
        time_ms: 1_700_000_000_000 + id,
        payload: vec![id as u8; (id * 5 % 20) as usize],
    }
}

fn open(directory: &Path) -> Result<TrajectoryLog, Error> {
    TrajectoryLog::open(directory, &OPTIONS)
}

/// What a scan yields, and whether damage is its last word.
fn scan(log: &TrajectoryLog, order: Order) -> (Vec<TrajectoryRecord>, bool) {
    let mut outcome: Vec<_> = log.scan(0..=u64::MAX, order, None).unwrap().collect();
    let damaged = outcome.pop_if(|last| matches!(last, Err(Error::Corrupt { .. }))).is_some();
    (outcome.into_iter().map(Result::unwrap).collect(), damaged)
}

/// The files of a closed log of version 2 in three segments, and its records in the order of their ids.
fn flushed_log() -> (Files, Vec<TrajectoryRecord>) {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    let mut records: Vec<_> = (2..14).map(record).collect();
    for record in &records {
        log.append(std::slice::from_ref(record)).unwrap();
    }
    log.flush().unwrap();
    assert_eq!(log.statistics().segments, 3);
    drop(log);
    records.sort_by_key(|record| record.id);
    (Files::read(directory.path()), records)
}

/// The segments of a log.
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn read(directory: &Path) -> Self {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .filter(|(name, _)| name != "trajectories.lock")
            .collect();
        files.sort();
        Self(files)
    }

    fn write(&self, directory: &Path) {
        for (name, bytes) in &self.0 {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Harmless,
    Reported,
}

/// What a log with damage says to everyone who asks, after checking that nobody is told anything wrong.
fn outcome(files: &Files, records: &[TrajectoryRecord], what: &str) -> Outcome {
    let (directory, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files.write(directory.path());
    let salvaged = salvage_trajectories(directory.path(), into.path(), LogPosition::BEGINNING).unwrap();
    let log = open(directory.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (rising, damaged) = scan(&log, Order::Ascending);
    let (mut falling, falling_damaged) = scan(&log, Order::NewestFirst);
    falling.reverse();
    assert_eq!((&falling, falling_damaged), (&rising, damaged), "{what}");
    assert!(rising.iter().all(|found| records.contains(found)), "{what}: a wrong record");
    let mut followed = log.read_range(LogPosition::default(), log.end(), usize::MAX).unwrap().records;
    followed.sort_by_key(|record| record.id);
    assert_eq!(followed, rising, "{what}: followed");
    let report = log.verify().unwrap();
    // Behind a damaged header nothing is read but by verify and salvage.
    assert!(report.records >= rising.len() as u64, "{what}");
    let is_reported = !report.damages.is_empty();
    assert_eq!(is_reported, damaged || !log.set_aside().is_empty(), "{what}: {report:?}");
    let kept = scan(&open(into.path()).unwrap(), Order::Ascending).0;
    assert!(kept.iter().all(|found| records.contains(found)), "{what}: a wrong record was salvaged");
    assert!(kept.len() >= rising.len(), "{what}: salvage keeps less than a scan finds");
    if kept != records {
        assert!(!salvaged.damages.is_empty(), "{what}: salvage lost a record in silence");
    }
    if is_reported {
        assert!(!salvaged.damages.is_empty(), "{what}: salvage is silent about damage");
        return Outcome::Reported;
    }
    assert_eq!(rising, records, "{what}: a record is missing in silence");
    Outcome::Harmless
}

/// The bytes whose damage is harmless, by file, and how many were damaged.
fn flip_each_byte(files: &Files, records: &[TrajectoryRecord]) -> (Vec<(usize, usize)>, usize) {
    let (mut harmless, mut flips) = (Vec::new(), 0);
    for (file, (name, bytes)) in files.0.iter().enumerate() {
        for at in 0..bytes.len() {
            for flip in [1 << (at % 8), 0xff] {
                let mut damaged = Files(files.0.clone());
                damaged.0[file].1[at] ^= flip;
                flips += 1;
                if outcome(&damaged, records, &format!("byte {at} of {name} ^ {flip:#x}"))
                    == Outcome::Harmless
                {
                    harmless.push((file, at));
                }
            }
        }
    }
    (harmless, flips)
}

#[test]
fn every_flipped_byte_of_a_flushed_log_is_reported_or_harmless() {
    let (files, records) = flushed_log();
    assert_eq!(outcome(&files, &records, "no damage"), Outcome::Harmless);
    let (harmless, flips) = flip_each_byte(&files, &records);
    println!("{flips} flips: {} harmless, {} reported", harmless.len(), flips - harmless.len());
    // The mark of the last flush is all that may be lost, because no record is lost with it.
    let last = files.0.len() - 1;
    let end = files.0[last].1.len();
    let mark: Vec<_> = (end - 24..end).flat_map(|at| [(last, at); 2]).collect();
    assert_eq!(harmless, mark);
}

/// A segment of version 1.
fn version_1_segment(records: &[TrajectoryRecord]) -> Vec<u8> {
    let mut bytes = b"HSTRAJ\r\n\x01\0\0\0\0\0\0\0".to_vec();
    for TrajectoryRecord { id, time_ms, payload } in records {
        let body = [&id.to_le_bytes(), &time_ms.to_le_bytes(), payload.as_slice()].concat();
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
    }
    bytes
}

fn version_1_log() -> (Files, Vec<TrajectoryRecord>) {
    let mut records: Vec<_> = (2..10).map(record).collect();
    let segments = records.chunks(4).enumerate();
    let segments = segments.map(|(n, part)| (format!("{:020}.log", n + 1), version_1_segment(part)));
    let files = Files(segments.collect());
    records.sort_by_key(|record| record.id);
    (files, records)
}

#[test]
fn a_log_of_version_1_is_read_and_what_is_appended_goes_into_a_segment_of_version_2() {
    let (files, mut records) = version_1_log();
    let directory = tempfile::tempdir().unwrap();
    files.write(directory.path());
    // A torn tail, which is cut off before another segment follows.
    let torn = [files.0[1].1.as_slice(), &[7; 30]].concat();
    fs::write(directory.path().join(&files.0[1].0), torn).unwrap();
    records.push(record(100));
    let log = open(directory.path()).unwrap();
    log.append(&[record(100)]).unwrap();
    log.flush().unwrap();
    for _ in 0..2 {
        assert_eq!(scan(&log, Order::Ascending), (records.clone(), false));
        assert_eq!(log.verify().unwrap().damages, []);
    }
    drop(log);
    let after = Files::read(directory.path());
    assert_eq!(after.0[..2], files.0);
    assert_eq!(after.0[2].1[8..12], [2, 0, 0, 0]);
    assert_eq!(outcome(&after, &records, "opened again"), Outcome::Harmless);
    let (harmless, _) = flip_each_byte(&after, &records);
    let end = after.0[2].1.len();
    assert_eq!(harmless, (end - 24..end).flat_map(|at| [(2, at); 2]).collect::<Vec<_>>());
}

/// A change of a log's files that is damage.
type Change = fn(&mut Files);

#[test]
fn a_segment_that_is_missing_empty_shorter_or_another_one_is_reported() {
    let (files, records) = flushed_log();
    let changes: [(&str, Change); 6] = [
        ("missing", |files| drop(files.0.remove(1))),
        ("empty", |files| files.0[1].1.clear()),
        ("only a header", |files| files.0[1].1.truncate(16)),
        ("the first without its last entry", |files| {
            let len = files.0[0].1.len() - 24 - record(5).payload.len();
            files.0[0].1.truncate(len);
        }),
        ("another segment's bytes", |files| files.0[1].1 = files.0[0].1.clone()),
        ("exchanged", |files| {
            let bytes = files.0[0].1.clone();
            files.0[0].1 = std::mem::replace(&mut files.0[1].1, bytes);
        }),
    ];
    for (what, change) in changes {
        let mut damaged = Files(files.0.clone());
        change(&mut damaged);
        assert_eq!(outcome(&damaged, &records, what), Outcome::Reported, "{what}");
    }
    let (files, records) = version_1_log();
    let mut longer = Files(files.0.clone());
    longer.0[1].0 = format!("{:020}.log", 5);
    assert_eq!(outcome(&longer, &records, "numbers of version 1"), Outcome::Reported);
}

#[test]
fn a_missing_segment_is_named_by_verify_and_by_scans_and_its_neighbours_are_read() {
    let (files, records) = flushed_log();
    let directory = tempfile::tempdir().unwrap();
    files.write(directory.path());
    let missing: PathBuf = directory.path().join(&files.0[1].0);
    fs::remove_file(&missing).unwrap();
    let log = open(directory.path()).unwrap();
    let (found, damaged) = scan(&log, Order::Ascending);
    assert!(damaged && !found.is_empty() && found.len() < records.len());
    let report = log.verify().unwrap();
    assert_eq!((report.damages.len(), &report.damages[0].file), (1, &missing));
    assert_eq!(log.get(found[0].id).unwrap().as_ref(), Some(&found[0]));
    let lost = records.iter().find(|record| !found.contains(record)).unwrap();
    let error = log.get(lost.id).unwrap_err();
    assert!(error.to_string().contains(&files.0[1].0), "{error}");
}

#[test]
fn damage_of_the_last_record_is_told_from_a_torn_tail_once_it_was_flushed() {
    for flushed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path()).unwrap();
        log.append(&[record(2)]).unwrap();
        log.append(&[record(3)]).unwrap();
        if flushed {
            log.flush().unwrap();
        }
        drop(log);
        let mut files = Files::read(directory.path());
        let last = files.0[0].1.len() - 1 - if flushed { 24 } else { 0 };
        files.0[0].1[last] ^= 1;
        files.write(directory.path());
        let log = open(directory.path()).unwrap();
        assert_eq!(scan(&log, Order::Ascending), (vec![record(2)], flushed));
        assert_eq!(log.verify().unwrap().damages.len(), usize::from(flushed));
    }
}
