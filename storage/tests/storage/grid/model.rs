//! The store does what a plain map does, over commits, snapshots and openings.

use crate::support::diff::assert_diff;
use crate::support::{Model, Op, assert_sound, batch_of, edits, matrix_path, op};
use hyprstream_storage::{Durability, GridOptions, GridStore, Snapshot};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Op>, Durability),
    Abandon(Vec<Op>),
    Update { version: u8, matrix: u8, count: u16, seed: u64, durability: Durability },
    TakeSnapshot,
    DropSnapshots,
    Reopen,
    Compact,
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::None), Just(Durability::Eventual), Just(Durability::Immediate)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (prop::collection::vec(op(), 1..8), durability()).prop_map(|(ops, d)| Step::Write(ops, d)),
        1 => prop::collection::vec(op(), 1..8).prop_map(Step::Abandon),
        4 => (0..6u8, 0..5u8, 1..400u16, any::<u64>(), durability())
            .prop_map(|(version, matrix, count, seed, durability)| Step::Update { version, matrix, count, seed, durability }),
        2 => Just(Step::TakeSnapshot),
        1 => Just(Step::DropSnapshots),
        2 => Just(Step::Reopen),
        1 => Just(Step::Compact),
    ]
}

fn options() -> GridOptions {
    GridOptions { fold_wal_above: 20_000, ..GridOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_map_with_snapshots(steps in prop::collection::vec(step(), 1..24)) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = GridStore::open(directory.path(), &options()).unwrap();
        let mut model = Model::default();
        let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
        for step in &steps {
            match step {
                Step::Write(ops, durability) => {
                    let mut write = store.begin_write().unwrap();
                    for op in ops {
                        model.apply(op, &mut write).unwrap();
                    }
                    write.commit(*durability).unwrap();
                }
                Step::Abandon(ops) => {
                    let mut write = store.begin_write().unwrap();
                    let mut scratch = model.clone();
                    for op in ops {
                        scratch.apply(op, &mut write).unwrap();
                    }
                }
                Step::Update { version, matrix, count, seed, durability } => {
                    if let Some(shape) = model.matrix(*version, *matrix).filter(|_| model.is_draft(*version)).map(|m| m.shape) {
                        let edits = edits(shape, *count, *seed);
                        store.update(&batch_of(&matrix_path(*version, *matrix), &edits), *durability).unwrap();
                        model.edit(*version, *matrix, &edits);
                    }
                }
                Step::TakeSnapshot => snapshots.push((store.snapshot(), model.clone())),
                Step::DropSnapshots => snapshots.clear(),
                Step::Compact => {
                    let compacted = store.compact().unwrap();
                    prop_assert!(compacted.bytes_after <= compacted.bytes_before + 20_000);
                }
                Step::Reopen => {
                    snapshots.clear();
                    store.close().unwrap();
                    store = GridStore::open(directory.path(), &options()).unwrap();
                }
            }
            assert_sound(&store);
            for (snapshot, then) in &snapshots {
                then.assert_same(&Model::read(snapshot).unwrap());
            }
            model.assert_same(&Model::read(&store.snapshot()).unwrap());
            assert_diff(&model, &store.snapshot(), 0, 1);
            assert_diff(&model, &store.snapshot(), 2, 4);
        }
    }
}
