//! What a directory of parts does with its files.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::slice::from_ref;
use std::sync::Arc;

use hyprstream_storage::{Error, PartDirectory, PartRecord};

use super::write_part;
use crate::support::blob;
use crate::support::disk::{Disk, Fault};

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn open(directory: &Path) -> Arc<PartDirectory> {
    Arc::new(PartDirectory::open(directory, "parquet").unwrap())
}

/// The reason of an error that says which file is damaged where.
fn damage(error: &Error) -> (String, u64, String) {
    let Error::Corrupt { path, offset, reason, .. } = error else { panic!("no damage: {error}") };
    let name = path.0.file_name().unwrap().to_str().unwrap();
    (name.to_owned(), *offset, reason.clone())
}

#[test]
fn a_directory_is_made_and_found_again() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("tables");
    let record = write_part(&open(&path), b"rows");
    let again = open(&path);
    assert_eq!(again.path(), path);
    assert_eq!(again.names().unwrap(), from_ref(&record.name));
    assert_eq!(again.reader(&record).unwrap().read(0..4).unwrap(), b"rows");
}

#[test]
fn names_sort_by_age_and_carry_the_hash_of_the_content() {
    let data = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for _ in 0..3 {
        let parts = open(data.path());
        names.extend((0..5).map(|_| write_part(&parts, b"abc").name));
    }
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(open(data.path()).names().unwrap(), names);
    // The front of the SHA-256 of "abc" in FIPS 180-2.
    assert!(
        names.iter().all(|name| name.ends_with("-ba7816bf8f01cfea414140de5dae2223.parquet")),
        "{names:?}"
    );
}

#[test]
fn a_file_that_is_not_finished_is_nobodys() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let mut writer = parts.begin().unwrap();
    writer.write_all(&blob(100_000, 1)).unwrap();
    assert_eq!(writer.bytes(), 100_000);
    assert_eq!(parts.names().unwrap(), [""; 0]);
    assert_eq!(files(data.path()).len(), 1, "the draft");
    drop(writer);
    assert_eq!(files(data.path()), [""; 0]);
}

#[test]
fn what_a_killed_process_left_is_removed_when_the_next_file_is_begun() {
    let data = tempfile::tempdir().unwrap();
    std::mem::forget(open(data.path()).begin().unwrap());
    let left = files(data.path());
    assert_eq!(left[0].split('.').next_back(), Some("draft"), "{left:?}");
    let parts = open(data.path());
    assert_eq!(files(data.path()), left, "an opening changes nothing");
    let record = write_part(&parts, b"rows");
    assert_eq!(files(data.path()), from_ref(&record.name));
    assert!(record.name > left[0], "it is younger than what was left");
    let mut second = parts.begin().unwrap();
    let third = write_part(&parts, b"more rows");
    second.write_all(b"rows").unwrap();
    let second = second.finish().unwrap();
    assert_eq!(parts.names().unwrap(), [record.name, second.name, third.name]);
}

#[test]
fn a_hold_puts_removals_off_until_the_last_one_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let records: Vec<PartRecord> = (0..3).map(|n| write_part(&parts, &[n])).collect();
    let (first, second) = (parts.hold(), parts.hold());
    parts.remove(&records[0].name).unwrap();
    drop(first);
    parts.remove(&records[1].name).unwrap();
    assert_eq!(parts.names().unwrap().len(), 3);
    assert_eq!(parts.reader(&records[0]).unwrap().read(0..1).unwrap(), [0]);
    drop(second);
    assert_eq!(parts.names().unwrap(), [records[2].name.clone()]);
    parts.remove(&records[2].name).unwrap();
    assert_eq!(parts.names().unwrap(), [""; 0]);
    parts.remove(&records[2].name).expect("what is gone need not be removed");
}

#[test]
fn files_that_were_there_are_adopted_under_their_names() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let content = blob(200_000, 7);
    std::fs::write(data.path().join("19b0a1c2d3e-4711-12.parquet"), &content).unwrap();
    let record = parts.adopt("19b0a1c2d3e-4711-12.parquet").unwrap();
    assert_eq!((record.bytes, record.blocks.len()), (200_000, 4));
    assert_eq!(parts.reader(&record).unwrap().read(60_000..140_000).unwrap(), content[60_000..140_000]);
    assert_eq!(parts.proves_itself(&record.name).unwrap(), None);
    let written = write_part(&parts, &content);
    assert_eq!(parts.adopt(&written.name).unwrap(), written);
    assert_eq!(parts.proves_itself(&written.name).unwrap(), Some(true));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("outside"), b"not a part").unwrap();
    let parts = open(&data.path().join("tables"));
    for name in ["../outside", "", ".", "..", "a/b"] {
        assert!(matches!(parts.adopt(name), Err(Error::Argument { .. })), "{name:?}");
        assert!(matches!(parts.remove(name), Err(Error::Argument { .. })), "{name:?}");
        assert!(matches!(parts.proves_itself(name), Err(Error::Argument { .. })), "{name:?}");
        let record = PartRecord { name: name.to_owned(), bytes: 0, blocks: Vec::new() };
        assert!(matches!(parts.reader(&record), Err(Error::Argument { .. })), "{name:?}");
    }
    assert!(matches!(parts.adopt("019a0b1c2d3e-00000001.draft"), Err(Error::Argument { .. })));
    assert_eq!(files(data.path()), ["outside", "tables"]);
    assert!(matches!(PartDirectory::open(data.path(), "draft"), Err(Error::Argument { .. })));
}

#[test]
fn a_missing_file_and_one_of_another_length_are_damage() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let record = write_part(&parts, &blob(70_000, 3));
    let path = data.path().join(&record.name);
    let set_len = |len| OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
    set_len(70_001);
    let longer = damage(&parts.reader(&record).unwrap_err());
    assert_eq!(longer, (record.name.clone(), 70_000, "it has 70001 bytes and had 70000".to_owned()));
    set_len(0);
    let empty = damage(&parts.reader(&record).unwrap_err());
    assert_eq!(empty, (record.name.clone(), 0, "it has 0 bytes and had 70000".to_owned()));
    std::fs::remove_file(&path).unwrap();
    let missing = damage(&parts.reader(&record).unwrap_err());
    assert_eq!(missing, (record.name.clone(), 0, "the file is missing".to_owned()));
    assert_eq!(damage(&parts.adopt(&record.name).unwrap_err()), missing);
    assert_eq!(files(data.path()), [""; 0], "asking for a file made it");
}

#[test]
fn a_file_that_is_made_shorter_while_it_is_read_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let content = blob(300_000, 4);
    let record = write_part(&parts, &content);
    let reader = parts.reader(&record).unwrap();
    let file = OpenOptions::new().write(true).open(data.path().join(&record.name)).unwrap();
    file.set_len(100_000).unwrap();
    assert_eq!(reader.read(0..65_000).unwrap(), content[..65_000]);
    for range in [0..100_000, 65_536..65_537, 290_000..300_000] {
        let (name, _, reason) = damage(&reader.read(range).unwrap_err());
        assert_eq!((name, reason.contains("shorter")), (record.name.clone(), true));
    }
    damage(&reader.verify().unwrap_err());
}

#[test]
fn ranges_outside_of_a_file_are_the_callers_mistake() {
    let data = tempfile::tempdir().unwrap();
    let parts = open(data.path());
    let record = write_part(&parts, b"rows");
    let reader = parts.reader(&record).unwrap();
    assert_eq!(reader.bytes(), 4);
    for range in [0..5, 5..5, 3..u64::MAX] {
        assert!(matches!(reader.read(range.clone()), Err(Error::Argument { .. })), "{range:?}");
    }
    assert_eq!(reader.read(4..4).unwrap(), b"");
}

#[test]
fn a_file_that_could_not_be_written_as_a_whole_is_not_finished() {
    let disk = Disk::empty(5);
    let parts = PartDirectory::open_directory(disk.directory(), "parquet").unwrap();
    for (fault, calls, lasting) in [(Fault::Full, 2, 1), (Fault::SyncFails, 2, 1), (Fault::SyncFails, 3, 1)] {
        let mut writer = parts.begin().unwrap();
        disk.plan(calls, lasting, fault);
        let written = writer.write_all(&blob(200_000, 9));
        assert_eq!(written.is_err(), fault == Fault::Full);
        disk.plan(calls, lasting, if fault == Fault::Full { Fault::ReadFails } else { fault });
        let refused = writer.finish().unwrap_err();
        assert!(matches!(refused, Error::Io { .. }), "{refused}");
        assert_eq!(disk.spare(|| parts.names().unwrap()), [""; 0]);
        disk.heal();
    }
    assert_eq!(parts.reader(&write_part(&parts, b"rows")).unwrap().read(1..3).unwrap(), b"ow");
}
