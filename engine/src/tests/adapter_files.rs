//! Adapters written to files and read by another data directory.

use std::path::PathBuf;

use hyprstream_models::{LoraWeights, Module};
use hyprstream_models_testing::random::lora_weights;

use super::adapters::base_hash;
use super::{Bench, publish_weights, random_config, write_random};
use crate::adapters::matrices::read_weights;
use crate::adapters::name::parse_one;
use crate::adapters::resolve::resolve;
use crate::{AdapterFormat, AdapterRow, Engine, Error, ImportRequest, record_path};

/// An engine with the adapter `a`, and where it was exported to.
async fn exported() -> (Bench, LoraWeights, PathBuf) {
    let bench = Bench::random();
    let base = base_hash(&bench, "random");
    let mut weights = lora_weights(&random_config(), base, &Module::ALL, 4, false, 3);
    // Zeros are not stored, and a negative zero is a value.
    weights.layers[0].a[..40].fill(0.0);
    weights.layers[0].a[7] = -0.0;
    publish_weights(&bench.engine, "a", "random", &weights);
    let path = bench.engine.files_dir().join("a.nvdb");
    let done = bench.engine.export_adapter("a@1", &path, AdapterFormat::Nvdb).await.unwrap();
    let values = weights.layers.iter().flat_map(|matrix| matrix.a.iter().chain(&matrix.b));
    let active = values.filter(|value| value.to_bits() != 0).count();
    assert_eq!((done.version, done.active_values), (1, active as u64));
    assert_eq!(done.bytes, std::fs::metadata(&path).unwrap().len());
    (bench, weights, path)
}

async fn import(
    engine: &Engine,
    path: &std::path::Path,
    base_model: Option<&str>,
) -> crate::Result<AdapterRow> {
    let request = ImportRequest {
        name: "b".to_owned(),
        path: path.to_owned(),
        format: AdapterFormat::Nvdb,
        base_model: base_model.map(str::to_owned),
    };
    engine.import_adapter(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_adapter_comes_back_bit_for_bit_in_another_directory() {
    let (bench, weights, path) = exported().await;
    let other = Bench::random();
    let target = other.engine.files_dir().join("from-afar.nvdb");
    std::fs::copy(&path, &target).unwrap();
    std::fs::copy(record_path(&path), record_path(&target)).unwrap();
    let row = import(&other.engine, &target, None).await.unwrap();
    assert_eq!((row.version, row.parent.as_deref()), (1, Some("file from-afar.nvdb")));
    assert_eq!(row.hash, bench.engine.adapter("a").unwrap().hash);
    let store = &other.engine.adapter_store;
    let adapter = resolve(&store.snapshot(), &parse_one("b").unwrap()).unwrap();
    let found = read_weights(&store.snapshot(), "b", "1", &adapter.record).unwrap();
    assert_eq!((found.rank, found.alpha.to_bits()), (weights.rank, weights.alpha.to_bits()));
    assert_eq!(found.layers.len(), weights.layers.len());
    for matrix in &weights.layers {
        let same = |found: &&hyprstream_models::LoraMatrix| {
            (found.layer, found.module) == (matrix.layer, matrix.module)
        };
        let found = found.layers.iter().find(same).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.a), bits(&matrix.a));
        assert_eq!(bits(&found.b), bits(&matrix.b));
    }
    assert_eq!(import(&other.engine, &target, Some("random")).await.unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_another_base_is_refused_with_both_hashes() {
    let (bench, _, path) = exported().await;
    write_random(&bench, "other", 8);
    let error = import(&bench.engine, &path, Some("other")).await.unwrap_err();
    let Error::BaseMismatch { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!(expected, base_hash(&bench, "random").to_string());
    assert_eq!(found, base_hash(&bench, "other").to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_its_record_says_is_refused_and_nothing_is_published() {
    let (bench, _, path) = exported().await;
    let (grid, record) =
        (std::fs::read(&path).unwrap(), std::fs::read_to_string(record_path(&path)).unwrap());
    let refused = async |grid: &[u8], record: &str, part: &str| {
        std::fs::write(&path, grid).unwrap();
        std::fs::write(record_path(&path), record).unwrap();
        let error = import(&bench.engine, &path, None).await.unwrap_err();
        assert!(matches!(error, Error::Argument { name: "path", .. }), "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    };
    refused(&grid, &record.replace("\"rank\":4", "\"rank\":5"), "where the model needs").await;
    refused(&grid, &record.replace("\"rank\":4", "\"rank\":0"), "rank is 0").await;
    refused(&grid, &record.replace("\"alpha\":", "\"alpha\":1"), "not those that its record names").await;
    refused(&grid, "{}", "not the record of an adapter").await;
    refused(&grid[..grid.len() / 2], &record, "").await;
    refused(b"name,value\n", &record, "").await;
    let mut huge = grid.clone();
    huge.resize(64 << 20, 0);
    refused(&huge, &record, "not a grid of an adapter of this model").await;
    std::fs::remove_file(record_path(&path)).unwrap();
    let error = import(&bench.engine, &path, None).await.unwrap_err();
    assert!(error.to_string().contains("its record a.nvdb.json"), "{error}");
    assert!(bench.engine.adapter("b").is_err());
}
