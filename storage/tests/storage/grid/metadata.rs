//! Metadata of which a part is damaged: the rest is read, and what is damaged is an error of its own.

use std::sync::Arc;

use hyprstream_storage::backend::MemoryBackend;
use hyprstream_storage::{Durability, Error, GridOptions, GridStore};

fn open(data: Vec<u8>) -> GridStore {
    let (data, log) = (MemoryBackend::new("data", data), MemoryBackend::new("log", Vec::new()));
    GridStore::open_backends(Arc::new(data), Arc::new(log), &GridOptions::default()).unwrap()
}

fn key(n: u32) -> Vec<u8> {
    format!("list/{n:04}").into_bytes()
}

/// A value that is nowhere else in the file.
fn value(n: u32, len: usize) -> Vec<u8> {
    format!("<{n:04}>").into_bytes().into_iter().cycle().take(len).collect()
}

/// A closed store with so many values of this length, and others before and behind them.
fn stored(count: u32, len: usize) -> Vec<u8> {
    let file = MemoryBackend::new("data", Vec::new());
    GridStore::create_backend(&file).unwrap();
    let log = Arc::new(MemoryBackend::new("log", Vec::new()));
    let store = GridStore::open_backends(Arc::new(file.clone()), log, &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    for n in 0..count {
        write.put_metadata(&key(n), &value(n, len)).unwrap();
        write.put_metadata(format!("before/{n}").as_bytes(), b"x").unwrap();
        write.put_metadata(format!("zebra/{n}").as_bytes(), b"x").unwrap();
    }
    write.commit(Durability::Immediate).unwrap();
    store.close().unwrap();
    file.contents()
}

fn flip(data: &mut [u8], content: &[u8]) {
    let at = data.windows(content.len()).position(|window| window == content).unwrap();
    data[at + content.len() / 2] ^= 1;
}

#[test]
fn all_that_is_whole_is_read_in_order() {
    let store = open(stored(300, 200));
    let read = store.snapshot().readable_metadata(b"list/").unwrap();
    assert!(read.damages.is_empty());
    let entries: Vec<_> = read.entries.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    assert_eq!(entries, store.snapshot().scan_metadata(b"list/").unwrap());
    assert_eq!(entries.len(), 300);
    let keys = store.snapshot().readable_metadata_keys(b"list/00").unwrap();
    let keys: Vec<_> = keys.entries.into_iter().map(|(key, ())| key).collect();
    assert_eq!(keys, (0..100).map(key).collect::<Vec<_>>());
    assert!(store.snapshot().readable_metadata_keys(b"lisu").unwrap().entries.is_empty());
}

#[test]
fn a_damaged_value_costs_no_other() {
    let mut data = stored(5, 3000);
    flip(&mut data, &value(2, 3000));
    let store = open(data);
    assert!(store.snapshot().scan_metadata(b"list/").is_err());
    let read = store.snapshot().readable_metadata(b"list/").unwrap();
    assert!(read.damages.is_empty());
    for (n, (key_read, value_read)) in (0..).zip(&read.entries) {
        assert_eq!(*key_read, key(n));
        match value_read {
            Ok(bytes) => assert!(n != 2 && *bytes == value(n, 3000), "{n}"),
            Err(error) => assert!(n == 2 && matches!(error, Error::Corrupt { .. }), "{n}: {error}"),
        }
    }
    assert_eq!(read.entries.len(), 5);
    assert_eq!(store.snapshot().readable_metadata_keys(b"list/").unwrap().entries.len(), 5);
}

#[test]
fn after_a_damaged_node_the_others_are_read() {
    let mut data = stored(300, 200);
    flip(&mut data, &value(150, 200));
    let store = open(data);
    let read = store.snapshot().readable_metadata(b"list/").unwrap();
    assert_eq!(read.damages.len(), 1);
    let found: Vec<Vec<u8>> = read.entries.iter().map(|(key, _)| key.clone()).collect();
    assert!(found.is_sorted() && !found.contains(&key(150)));
    assert!(found.len() > 200 && found.first() == Some(&key(0)) && found.last() == Some(&key(299)));
    for (key, value) in &read.entries {
        assert_eq!(store.snapshot().metadata(key).unwrap().as_ref(), value.as_ref().ok());
    }
    // What lies under other nodes is not asked of the damaged one.
    assert!(store.snapshot().readable_metadata(b"before/").unwrap().damages.is_empty());
}
