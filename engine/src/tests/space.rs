//! The space that adapters take: rotation, freezing, compaction.

use hyprstream_models::Module;
use hyprstream_models_testing::random::lora_weights;

use super::adapters::base_hash;
use super::{Bench, publish_weights, random_config};
use crate::adapters::record::version_key;
use crate::{Error, FrozenFormat, GridStatisticsRow};

fn publish(bench: &Bench, name: &str, seed: u64) -> u64 {
    let base = base_hash(bench, "random");
    let weights = lora_weights(&random_config(), base, &Module::ALL, 4, false, seed);
    publish_weights(&bench.engine, name, "random", &weights)
}

fn versions(bench: &Bench) -> Vec<u64> {
    let rows = bench.engine.adapters().unwrap();
    rows.into_iter().map(|row| row.version).collect()
}

fn statistics(bench: &Bench) -> Vec<GridStatisticsRow> {
    bench.engine.grid_statistics(None).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn rotation_keeps_the_newest_and_the_tagged_and_forgets_what_it_drops() {
    let bench = Bench::random();
    for seed in 0..5 {
        publish(&bench, "a", seed);
    }
    bench.engine.tag_adapter("a@2", "best").unwrap();
    bench.engine.checkpoint_adapter("a@1").await.unwrap();
    let engine = &bench.engine;
    assert_eq!(engine.rotate_adapter("a", 2, true).unwrap(), ["3", "1"]);
    assert_eq!(versions(&bench), [2, 4, 5]);
    assert_eq!(engine.checkpoints().unwrap().len(), 1);
    let snapshot = engine.adapter_store.snapshot();
    for (version, is_known) in [("1", false), ("2", true), ("3", false), ("5", true)] {
        let record = snapshot.metadata(&version_key("a", version)).unwrap();
        assert_eq!(record.is_some(), is_known, "{version}");
    }
    drop(snapshot);
    assert_eq!(engine.rotate_adapter("a", 2, false).unwrap(), ["2"]);
    assert_eq!(publish(&bench, "a", 9), 6);
    assert!(matches!(engine.rotate_adapter("a", 0, true), Err(Error::Argument { name: "keep_last", .. })));
    let error = engine.rotate_adapter("b", 1, true).unwrap_err();
    assert!(error.to_string().contains("did you mean \"a\"?"), "{error}");
    let bench = bench.reopen();
    assert_eq!(versions(&bench), [4, 5, 6]);
}

#[tokio::test]
async fn statistics_tell_what_versions_share_and_space_comes_back() {
    let bench = Bench::random();
    for seed in 0..4 {
        publish(&bench, "a", seed);
    }
    bench.engine.branch_adapter("a@4", "b").unwrap();
    let rows = statistics(&bench);
    assert_eq!(rows.len(), 6);
    let (b, store) = (&rows[4], &rows[5]);
    assert_eq!((b.adapter.as_deref(), b.version.as_deref()), (Some("b"), Some("1")));
    assert_eq!((b.shared_bytes, b.sharing()), (b.bytes, 1.0));
    assert!(b.density() > 0.999);
    assert_eq!((rows[3].shared_bytes, rows[0].shared_bytes), (rows[3].bytes, 0));
    assert_eq!(store.active_values, rows[..5].iter().map(|row| row.active_values).sum::<u64>());
    assert!(store.shared_bytes > 0 && store.shared_bytes <= b.bytes, "{store:?}");
    let only = bench.engine.grid_statistics(Some("b")).unwrap();
    assert_eq!(only.map(Result::unwrap).collect::<Vec<_>>(), rows[4..5]);

    // A cold version is no larger and holds the same weights.
    let frozen = bench.engine.freeze_adapter("a@1", FrozenFormat::Zstd).await.unwrap();
    assert_eq!((frozen.version, frozen.shared_chunks), (1, 0));
    let branch = bench.engine.freeze_adapter("b", FrozenFormat::Lz4).await.unwrap();
    assert_eq!((branch.chunks, branch.shared_chunks), (0, b.chunks));
    assert_eq!(bench.engine.thaw_adapter("a@1").await.unwrap().chunks, frozen.chunks);

    bench.engine.drop_adapter("a").unwrap();
    let compacted = bench.engine.compact().await.unwrap();
    assert!(compacted.bytes_after < compacted.bytes_before, "{compacted:?}");
    assert_eq!(statistics(&bench)[1].file_bytes, Some(compacted.bytes_after));
    let bench = bench.reopen();
    let rows = statistics(&bench);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].active_values, rows[0].shared_bytes), (b.active_values, 0));
}
