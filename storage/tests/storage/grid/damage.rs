//! Damaged files: an error or a committed state, never a panic, never a wrong value.
//!
//! `HYPRSTREAM_MUTATIONS` says how many mutated files are tried (100,000 is the full count).

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyprstream_storage::backend::{MemoryBackend, StorageBackend};
use hyprstream_storage::{Durability, Error, GridOptions, GridStore, VersionPath, salvage};

use crate::support::image::{Image, closed_store, form_ops, image, some_ops};
use crate::support::{Model, Op, Rng, assert_sound, count, matrix_path};

fn mutations(default: u64) -> u64 {
    count("HYPRSTREAM_MUTATIONS", default)
}

fn mutate(image: &Image, rng: &mut Rng) -> (Vec<u8>, Vec<u8>) {
    let (mut data, mut wal) = (image.data.clone(), image.wal.clone());
    for _ in 0..=rng.below(3) {
        let target = if rng.below(8) == 0 && !wal.is_empty() { &mut wal } else { &mut data };
        if target.is_empty() {
            continue;
        }
        let len = target.len() as u64;
        let at = rng.below(len) as usize;
        // At least a quarter of the damage goes where the superblocks and the oldest objects are: the first pages.
        let at = if rng.below(4) == 0 { at % 9000.min(target.len()) } else { at };
        match rng.below(7) {
            0 | 1 => target[at] ^= 1 << rng.below(8),
            2 => target.truncate(at),
            3 => {
                let size = [64, 512, 4096][rng.below(3) as usize].min(target.len());
                let pages = (target.len() / size) as u64;
                let (a, b) = (rng.below(pages) as usize * size, rng.below(pages) as usize * size);
                let copy = target[a..a + size].to_vec();
                target.copy_within(b..b + size, a);
                target[b..b + size].copy_from_slice(&copy);
            }
            4 => {
                let end = (at + rng.below(3000) as usize).min(target.len());
                target[at..end].fill(0);
            }
            5 => {
                let end = (at + rng.below(64) as usize).min(target.len());
                target[at..end].iter_mut().for_each(|byte| *byte = rng.next() as u8);
            }
            _ => {
                let end = (at + 1 + rng.below(16) as usize).min(target.len());
                let extra = target[at..end].to_vec();
                target.splice(at..at, extra);
            }
        }
    }
    (data, wal)
}

/// Opens, verifies and reads; `Some` when everything could be read.
fn look(data: Vec<u8>, wal: Vec<u8>) -> Option<Model> {
    let (data, wal) = (MemoryBackend::new("data", data), MemoryBackend::new("wal", wal));
    let store = GridStore::open_backends(Arc::new(data), Arc::new(wal), &GridOptions::default()).ok()?;
    let report = store.verify();
    let read = Model::read(&store.snapshot()).ok();
    if let (Ok(report), None) = (&report, &read) {
        assert!(!report.damages.is_empty(), "what cannot be read is named by verify");
    }
    read
}

#[test]
fn mutated_files_give_an_error_or_a_committed_state() {
    let images = [
        image(&some_ops(), true),
        image(&some_ops(), false),
        image(&form_ops(), true),
        image(&form_ops(), false),
    ];
    for image in &images {
        let found = look(image.data.clone(), image.wal.clone()).unwrap();
        assert!(found == *image.states.last().unwrap());
    }
    let (mut readable, count) = (0, mutations(1500));
    for seed in 0..count {
        let mut rng = Rng(seed);
        let image = &images[(seed % 4) as usize];
        let (data, wal) = mutate(image, &mut rng);
        let outcome = catch_unwind(AssertUnwindSafe(|| look(data, wal)));
        let found = outcome.unwrap_or_else(|_| panic!("seed {seed} panicked"));
        if let Some(found) = found {
            readable += 1;
            assert!(image.states.contains(&found), "seed {seed}: a wrong value was read");
        }
    }
    assert!(readable > 0 && readable < count, "{readable} of {count} could be read");
}

#[test]
fn superblocks_with_absurd_fields_and_right_checksums_never_panic() {
    let image = image(&some_ops(), true);
    for seed in 0..mutations(1500) / 3 {
        let mut rng = Rng(seed);
        let mut data = image.data.clone();
        for slot in [0, 4096] {
            let field = 12 + rng.below(496) as usize;
            for byte in &mut data[slot + field..(slot + field + 8).min(slot + 508)] {
                *byte = rng.next() as u8;
            }
            let crc = crc32c::crc32c(&data[slot..slot + 508]);
            data[slot + 508..slot + 512].copy_from_slice(&crc.to_le_bytes());
        }
        let wal = image.wal.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| look(data, wal)));
        assert!(outcome.is_ok(), "seed {seed} panicked");
    }
}

/// Puts a number into both superblocks and their checksums right.
fn forge(data: &mut [u8], field: usize, number: u64) {
    for slot in [0, 4096] {
        data[slot + field..slot + field + 8].copy_from_slice(&number.to_le_bytes());
        let crc = crc32c::crc32c(&data[slot..slot + 508]);
        data[slot + 508..slot + 512].copy_from_slice(&crc.to_le_bytes());
    }
}

const COMMIT: usize = 24;
const DURABLE_COMMIT: usize = 32;
const NEXT_SEQUENCE: usize = 104;

#[test]
fn the_highest_commit_number_can_be_read_and_takes_no_more_writes() {
    let image = image(&some_ops(), true);
    let mut data = image.data.clone();
    forge(&mut data, COMMIT, u64::MAX);
    let open = |data: &[u8]| {
        let data = Arc::new(MemoryBackend::new("data", data.to_vec()));
        let wal = Arc::new(MemoryBackend::new("wal", Vec::new()));
        GridStore::open_backends(data, wal, &GridOptions::default())
    };
    assert!(matches!(open(&data), Err(Error::Corrupt { .. })), "a recovery would have to commit");
    forge(&mut data, DURABLE_COMMIT, u64::MAX);
    let store = open(&data).unwrap();
    image.states.last().unwrap().assert_same(&Model::read(&store.snapshot()).unwrap());
    assert!(matches!(store.begin_write(), Err(Error::Corrupt { .. })));
}

#[test]
fn the_last_sequence_number_that_there_is_takes_no_more_versions() {
    let mut data = image(&some_ops(), true).data;
    forge(&mut data, NEXT_SEQUENCE, u64::MAX);
    let (data, wal) = (MemoryBackend::new("data", data), MemoryBackend::new("wal", Vec::new()));
    let store = GridStore::open_backends(Arc::new(data), Arc::new(wal), &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    let branched = write.branch_version(VersionPath::new("support", "1"), VersionPath::new("support", "new"));
    assert!(matches!(branched, Err(Error::Corrupt { .. })));
}

#[test]
fn verify_reads_the_superblock_and_the_table_of_regions_again() {
    let image = image(&some_ops(), true);
    let data = MemoryBackend::new("data", image.data.clone());
    let wal = MemoryBackend::new("wal", image.wal);
    let store =
        GridStore::open_backends(Arc::new(data.clone()), Arc::new(wal), &GridOptions::default()).unwrap();
    assert_sound(&store);
    // A table node with one entry of one: no table of this store but that of its only region.
    let node: Vec<u8> = [&[3, 1, 1, 0, 1][..], &[0; 31]].concat();
    let units = (0..image.data.len() - node.len()).step_by(64);
    for unit in units.filter(|unit| image.data[*unit..].starts_with(&node)) {
        data.write(unit as u64 + 40, &[0xff; 4]).unwrap();
    }
    for slot in [0, 4096] {
        data.write(slot + 50, &[0xff; 4]).unwrap();
    }
    let report = store.verify().unwrap();
    let named: BTreeSet<_> = report.damages.iter().map(|damage| damage.what.as_str()).collect();
    assert_eq!(named, BTreeSet::from(["the superblock", "the table of regions"]));
}

#[test]
fn salvage_prefers_a_whole_older_commit_to_a_newer_incomplete_one() {
    let (data, wal) = (MemoryBackend::new("data", Vec::new()), MemoryBackend::new("wal", Vec::new()));
    GridStore::create_backend(&data).unwrap();
    let store =
        GridStore::open_backends(Arc::new(data.clone()), Arc::new(wal.clone()), &GridOptions::default())
            .unwrap();
    let mut model = Model::default();
    let put = |version, seed| Op::Put { version, matrix: 2, shape: 6, dtype: 1, density: 0, seed };
    let mut write = store.begin_write().unwrap();
    model.apply(&put(0, 1), &mut write).unwrap();
    write.commit(Durability::Immediate).unwrap();
    let durable = store.snapshot().commit_number();
    let mut newer = model.clone();
    let mut write = store.begin_write().unwrap();
    newer.apply(&put(1, 2), &mut write).unwrap();
    write.commit(Durability::Eventual).unwrap();
    let mut lost = data.contents();
    let values: Vec<u8> = newer
        .matrix(1, 2)
        .unwrap()
        .bits
        .iter()
        .take(40)
        .flat_map(|bits| (*bits as u16).to_le_bytes())
        .collect();
    let at = lost.windows(values.len()).position(|window| window == values).unwrap();
    lost[at..at + values.len()].fill(0);
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join("grid.data"), &lost).unwrap();
    std::fs::write(old.join("grid.wal"), wal.contents()).unwrap();
    let salvaged = salvage(&old, &new).unwrap();
    assert_eq!((salvaged.commit_number, salvaged.left_out), (durable, Vec::new()));
    let store = GridStore::open(&new, &GridOptions::default()).unwrap();
    model.assert_same(&Model::read(&store.snapshot()).unwrap());
}

#[test]
fn a_store_that_cannot_be_looked_for_is_not_replaced_by_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    closed_store(&old, &some_ops());
    std::fs::create_dir_all(&new).unwrap();
    // A link to itself is there, and asking what it leads to fails.
    let link = new.join("grid.data");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let opened = GridStore::open(&new, &GridOptions::default()).unwrap_err();
    assert!(opened.to_string().contains("look for"), "{opened}");
    let salvaged = salvage(&old, &new).unwrap_err();
    assert!(salvaged.to_string().contains("look for"), "{salvaged}");
    assert!(link.is_symlink());
}

#[test]
fn verify_names_the_damage_and_salvage_keeps_everything_else() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let store = GridStore::open(&old, &GridOptions::default()).unwrap();
    let mut model = Model::default();
    for ops in some_ops() {
        model.commit(&ops, &store);
    }
    store.close().unwrap();
    let store = GridStore::open(&old, &GridOptions::default()).unwrap();
    let info = store.snapshot().matrix(&matrix_path(0, 3)).unwrap().unwrap().info();
    assert!(info.active > 0);
    drop(store);
    // The dense chunk of matrix 2 is shared by versions 1 and 3: find its bytes and flip one.
    let values: Vec<u8> =
        model.matrix(0, 2).unwrap().bits.iter().take(40).flat_map(|b| (*b as u16).to_le_bytes()).collect();
    let mut data = std::fs::read(old.join("grid.data")).unwrap();
    let at = data.windows(values.len()).position(|window| window == values).unwrap();
    data[at + 11] ^= 4;
    std::fs::write(old.join("grid.data"), &data).unwrap();
    let store = GridStore::open(&old, &GridOptions::default()).unwrap();
    let report = store.verify().unwrap();
    let named: Vec<_> = report.damages.iter().map(|damage| damage.what.as_str()).collect();
    assert!(named.iter().any(|what| what.contains("chunk 0 of support@1/0/q_proj/B")), "{named:?}");
    let held = &report.damages[0].held;
    assert_eq!(
        (held.layer, held.module.as_deref(), held.matrix.as_deref()),
        (Some(0), Some("q_proj"), Some("B"))
    );
    let offsets: BTreeSet<u64> = report.damages.iter().map(|damage| damage.offset).collect();
    assert_eq!(offsets.len(), 1, "patches of what is damaged are whole: {:?}", report.damages);
    assert!(offsets.iter().all(|offset| (1..9000).contains(&(at as u64 - offset))));
    let mut buffer = vec![0.0; 64 * 64];
    let error = store.snapshot().read_matrix(&matrix_path(0, 2), &mut buffer).unwrap_err();
    assert!(
        matches!(error, Error::Corrupt { .. }) && error.to_string().contains("support@1/0/q_proj/B"),
        "{error}"
    );
    drop(store);
    let salvaged = salvage(&old, &new).unwrap();
    assert!(!salvaged.left_out.is_empty());
    let store = GridStore::open(&new, &GridOptions::default()).unwrap();
    let found = Model::read(&store.snapshot()).unwrap();
    let mut incomplete = BTreeSet::new();
    for ((adapter, name), version) in &mut model.versions {
        let lost = version.matrices.remove(&(0, "q_proj".to_owned(), "B".to_owned()));
        incomplete.extend(lost.map(|_| format!("{adapter}@{name}")));
    }
    assert!(incomplete.len() > 1, "versions share what is damaged");
    let named: BTreeSet<String> = salvaged.incomplete.iter().map(ToString::to_string).collect();
    assert_eq!(named, incomplete);
    model.assert_same(&found);
    assert_sound(&store);
}

#[test]
fn salvage_without_a_superblock_finds_the_newest_commit_by_its_copy() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let model = closed_store(&old, &some_ops());
    let mut data = std::fs::read(old.join("grid.data")).unwrap();
    data[..8192].fill(0xff);
    std::fs::write(old.join("grid.data"), &data).unwrap();
    let error = GridStore::open(&old, &GridOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("salvage"), "{error}");
    let salvaged = salvage(&old, &new).unwrap();
    assert!(salvaged.from_copy && salvaged.left_out.is_empty(), "{salvaged:?}");
    let store = GridStore::open(&new, &GridOptions::default()).unwrap();
    model.assert_same(&Model::read(&store.snapshot()).unwrap());
    assert_sound(&store);
}

#[test]
fn salvage_applies_the_log_that_belongs_to_the_copy() {
    let image = image(&some_ops(), false);
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    std::fs::create_dir_all(&old).unwrap();
    let mut data = image.data.clone();
    data[..8192].fill(0);
    std::fs::write(old.join("grid.data"), &data).unwrap();
    std::fs::write(old.join("grid.wal"), &image.wal).unwrap();
    let salvaged = salvage(&old, &new).unwrap();
    assert_eq!((salvaged.applied_batches, salvaged.lost_batches), (3, 0));
    let store = GridStore::open(&new, &GridOptions::default()).unwrap();
    let found = Model::read(&store.snapshot()).unwrap();
    image.states.last().unwrap().assert_same(&found);
}

#[test]
fn salvage_of_a_file_without_any_superblock_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    closed_store(&old, &some_ops());
    std::fs::write(old.join("grid.data"), vec![0; 100_000]).unwrap();
    let error = salvage(&old, &new).unwrap_err();
    assert!(
        matches!(error, Error::Corrupt { .. }) && error.to_string().contains("both superblocks"),
        "{error}"
    );
}
