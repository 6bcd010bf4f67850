//! A snapshot is copied into another directory while a writer goes on.

use std::sync::atomic::{AtomicU64, Ordering};

use hyprstream_storage::{Error, GridOptions, GridStore};

use crate::support::ledger::Ledger;
use crate::support::random::commit;
use crate::support::{Model, Rng, assert_sound};

#[test]
fn copies_made_while_a_writer_goes_on_are_sound_and_equal_their_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(&directory.path().join("grid"), &GridOptions::default()).unwrap();
    let commits = AtomicU64::new(0);
    let copied = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut ledger, mut rng) = (Ledger::new(), Rng(7));
            while copied.load(Ordering::Relaxed) < 12 {
                commit(&store, &mut ledger, &mut rng).unwrap();
                if commits.fetch_add(1, Ordering::Relaxed) % 40 == 39 {
                    store.compact().unwrap();
                }
            }
        });
        for round in 0..12 {
            let begun = commits.load(Ordering::Relaxed);
            while commits.load(Ordering::Relaxed) < begun + 10 {
                std::thread::yield_now();
            }
            let snapshot = store.snapshot();
            let into = directory.path().join(format!("copy{round}"));
            let made = store.copy_to(&snapshot, &into).unwrap();
            assert_eq!(made.copied_commit, snapshot.commit_number());
            assert_eq!(std::fs::metadata(into.join("grid.data")).unwrap().len(), made.bytes);
            let copy = GridStore::open_existing(&into, &GridOptions::default()).unwrap();
            assert_eq!(copy.snapshot().commit_number(), made.commit_number);
            assert_sound(&copy);
            Model::read(&copy.snapshot()).unwrap().assert_same(&Model::read(&snapshot).unwrap());
            assert!(matches!(store.copy_to(&snapshot, &into), Err(Error::AlreadyExists { .. })));
            copied.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_sound(&store);
}

#[test]
fn versions_of_a_copy_go_on_by_age_and_a_snapshot_of_another_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| GridStore::open(&directory.path().join(name), &GridOptions::default()).unwrap();
    let store = open("grid");
    let (mut ledger, mut rng) = (Ledger::new(), Rng(3));
    (0..60).for_each(|_| commit(&store, &mut ledger, &mut rng).unwrap());
    store.copy_to(&store.snapshot(), &directory.path().join("copy")).unwrap();
    let copy = open("copy");
    assert!(matches!(
        copy.copy_to(&store.snapshot(), &directory.path().join("other")),
        Err(Error::Argument { .. })
    ));
    assert!(!directory.path().join("other").exists());
    let sequences = |store: &GridStore| {
        let snapshot = store.snapshot();
        let adapters = snapshot.adapters().unwrap();
        let versions = adapters.iter().flat_map(|adapter| snapshot.versions(adapter).unwrap());
        versions.map(|version| version.sequence).collect::<Vec<_>>()
    };
    let before = sequences(&copy);
    assert_eq!(before, sequences(&store));
    // The same commits make the same versions with the same ages in both.
    let mut same = Rng(11);
    let mut also = Rng(11);
    let mut ledger_of_copy = Ledger::new();
    ledger_of_copy.settle(Model::read(&copy.snapshot()).unwrap());
    (0..60).for_each(|_| commit(&store, &mut ledger, &mut same).unwrap());
    (0..60).for_each(|_| commit(&copy, &mut ledger_of_copy, &mut also).unwrap());
    assert_eq!(sequences(&copy), sequences(&store));
    assert_sound(&copy);
}

#[test]
fn a_store_that_must_exist_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("missing")] {
        let refused = GridStore::open_existing(&path, &GridOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
        assert!(refused.to_string().contains("grid.data"), "{refused}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    GridStore::open(directory.path(), &GridOptions::default()).unwrap().close().unwrap();
    GridStore::open_existing(directory.path(), &GridOptions::default()).unwrap();
}
