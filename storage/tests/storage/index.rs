//! An index that can be made anew: it never stops a start, and never holds what nobody put.

use std::fs;
use std::path::{Path, PathBuf};

use hyprstream_storage::RebuildableIndex;

use crate::support::{Rng, blob, count};

fn key(n: u64) -> Vec<u8> {
    format!("summary/{n:020}").into_bytes()
}

fn value(n: u64) -> Vec<u8> {
    blob(40 + (n % 7) as u32 * 300, n)
}

/// An index of so many values that was closed.
fn closed_index(directory: &Path, values: u64) {
    let index = RebuildableIndex::open(directory);
    (0..values).for_each(|n| index.put(&key(n), &value(n)));
    index.flush();
    assert!(index.is_kept());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Puts a value into it and finds it after the next opening.
fn assert_works(directory: &Path, what: &str) {
    let index = RebuildableIndex::open(directory);
    assert!(index.is_kept(), "{what}");
    index.put(b"again", b"computed");
    drop(index);
    let index = RebuildableIndex::open(directory);
    assert_eq!(index.get(b"again").as_deref(), Some(b"computed".as_slice()), "{what}");
}

#[test]
fn what_was_put_is_found_after_the_next_opening() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("index");
    closed_index(&directory, 50);
    let index = RebuildableIndex::open(&directory);
    assert!((0..50).all(|n| index.get(&key(n)) == Some(value(n))));
    assert_eq!(index.get(&key(50)), None);
    index.remove(&key(3));
    index.put(&key(4), b"");
    drop(index);
    let index = RebuildableIndex::open(&directory);
    assert_eq!(
        (index.get(&key(3)), index.get(&key(4)), index.get(&key(5))),
        (None, Some(vec![]), Some(value(5)))
    );
}

#[test]
fn an_empty_snapshot_of_sled_costs_the_index_and_no_start() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("index");
    closed_index(&directory, 10);
    // What an opening leaves on a full disk, or when it is killed at that moment.
    fs::write(directory.join("snap.00000000000FFFFF"), b"").unwrap();
    let index = RebuildableIndex::open(&directory);
    assert!(index.is_kept());
    assert_eq!(index.get(&key(1)), None);
    drop(index);
    assert_works(&directory, "after an empty snapshot");
}

#[test]
fn a_directory_that_cannot_be_used_keeps_nothing_and_stops_nothing() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, b"not a directory").unwrap();
    let index = RebuildableIndex::open(&file.join("index"));
    assert!(!index.is_kept());
    index.put(b"key", b"value");
    index.remove(b"key");
    index.flush();
    assert_eq!(index.get(b"key"), None);
    drop(index);
    assert_eq!(fs::read(&file).unwrap(), b"not a directory");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("index");
    fs::write(&directory, b"left by somebody").unwrap();
    assert_works(&directory, "over a file");
}

#[test]
fn an_index_that_is_open_already_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("index");
    let first = RebuildableIndex::open(&directory);
    first.put(b"key", b"value");
    let second = RebuildableIndex::open(&directory);
    assert!(!second.is_kept());
    assert_eq!(second.get(b"key"), None);
    drop(second);
    drop(first);
    assert_eq!(RebuildableIndex::open(&directory).get(b"key").as_deref(), Some(b"value".as_slice()));
}

/// Opens an index whose file is damaged and asks it for everything.
fn ask_everything(directory: &Path, values: u64, what: &str) -> u64 {
    let index = RebuildableIndex::open(directory);
    let mut absent = 0;
    for n in 0..values {
        match index.get(&key(n)) {
            None => absent += 1,
            Some(found) => assert!(found == value(n), "{what}: value {n} is one that nobody put"),
        }
    }
    absent
}

#[test]
fn damage_costs_values_and_never_changes_one() {
    let data = tempfile::tempdir().unwrap();
    let original = data.path().join("original");
    closed_index(&original, 60);
    let flips = count("HYPRSTREAM_MUTATIONS", 150).min(5000);
    let mut rng = Rng(1);
    let mut absent = 0;
    for flip in 0..flips {
        let directory = data.path().join("index");
        copy(&original, &directory);
        let files = files(&directory);
        let file = &files[rng.below(files.len() as u64) as usize];
        let mut bytes = fs::read(file).unwrap();
        // What sled has not written is zero, and less is there at the end than at the beginning.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let what = match rng.below(8) {
            0 => {
                bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
                format!("flip {flip}: {} cut to {} bytes", file.display(), bytes.len())
            }
            _ if used == 0 => continue,
            _ => {
                let at = rng.below(used as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
                format!("flip {flip}: byte {at} of {}", file.display())
            }
        };
        fs::write(file, &bytes).unwrap();
        absent += ask_everything(&directory, 60, &what);
        assert_works(&directory, &what);
        fs::remove_dir_all(&directory).unwrap();
    }
    println!("{flips} times damaged: {absent} of {} values were absent", flips * 60);
    assert!(absent > 0, "no flip met anything");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
