//! Adapters in answers: alone, stacked, many in one batch, and refused on another base.

use futures::future::join_all;
use hyprstream_models::{ContentHash, Module};
use hyprstream_models_testing::random::lora_weights;

use super::{Bench, ask_random, publish_weights, random_config, statistic, tokens, write_random};
use crate::{Error, GenerateRequest, MatrixKind, RestoreSource, WeightFilter};

pub(super) fn base_hash(bench: &Bench, model: &str) -> ContentHash {
    bench.engine.registry.entry(Some(model)).unwrap().files().unwrap().content_hash()
}

fn publish_random(bench: &Bench, name: &str, zero_b: bool, seed: u64) -> u64 {
    let base = base_hash(bench, "random");
    let weights = lora_weights(&random_config(), base, &Module::ALL, 4, zero_b, seed);
    publish_weights(&bench.engine, name, "random", &weights)
}

fn with(adapter: &str, prompt: &str) -> GenerateRequest {
    GenerateRequest { adapter: Some(adapter.to_owned()), ..ask_random(prompt, 16) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_adapter_is_bit_identical_to_the_base() {
    let bench = Bench::random();
    publish_random(&bench, "zero", true, 1);
    let (base, _) = tokens(&bench.engine, ask_random("The same", 40)).await;
    let adapted = GenerateRequest { adapter: Some("zero".to_owned()), ..ask_random("The same", 40) };
    let (zero, _) = tokens(&bench.engine, adapted).await;
    assert_eq!(base.len(), 40);
    for (base, zero) in base.iter().zip(&zero) {
        assert_eq!((base.token_id, base.logprob.to_bits()), (zero.token_id, zero.logprob.to_bits()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_in_one_batch_never_answer_for_each_other() {
    let bench = Bench::random();
    publish_random(&bench, "a", false, 1);
    publish_random(&bench, "b", false, 2);
    let mut alone = Vec::new();
    for adapter in ["a", "b", "a+b:0.5"] {
        alone.push(bench.engine.complete(with(adapter, "one prompt")).await.unwrap().text);
    }
    let base = bench.engine.complete(ask_random("one prompt", 16)).await.unwrap().text;
    assert!(alone[0] != alone[1] && alone[0] != base && alone[1] != base && alone[2] != alone[0]);
    let requests = (0..24).map(|row| match row % 4 {
        3 => bench.engine.complete(ask_random("one prompt", 16)),
        adapter => bench.engine.complete(with(["a", "b", "a+b:0.5"][adapter], "one prompt")),
    });
    for (row, answer) in join_all(requests).await.into_iter().enumerate() {
        let expected = if row % 4 == 3 { &base } else { &alone[row % 4] };
        assert_eq!(&answer.unwrap().text, expected, "row {row}");
    }
    assert_eq!(statistic(&bench.engine, "adapter_loads"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_answers_at_once_and_the_old_one_still_does() {
    let bench = Bench::random();
    publish_random(&bench, "a", false, 1);
    let first = bench.engine.complete(with("a", "hello")).await.unwrap();
    publish_random(&bench, "a", false, 2);
    let second = bench.engine.complete(with("a", "hello")).await.unwrap();
    assert_ne!(first.text, second.text);
    assert_ne!(first.provenance, second.provenance);
    assert_eq!(bench.engine.complete(with("a@1", "hello")).await.unwrap().text, first.text);
    let restored = bench.engine.restore_adapter("a", &RestoreSource::Version("1".to_owned())).unwrap();
    assert_eq!((restored.version, restored.parent.as_deref()), (3, Some("a@1")));
    assert_eq!(bench.engine.complete(with("a", "hello")).await.unwrap().text, first.text);
    bench.engine.tag_adapter("a@2", "best").unwrap();
    assert_eq!(bench.engine.complete(with("a@best", "hello")).await.unwrap().text, second.text);
    bench.engine.branch_adapter("a@best", "b").unwrap();
    assert_eq!(bench.engine.complete(with("b", "hello")).await.unwrap().text, second.text);
    let bench = bench.reopen();
    let rows = bench.engine.adapters().unwrap();
    let versions: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.version, row.is_latest)).collect();
    assert_eq!(versions, [("a", 1, false), ("a", 2, false), ("a", 3, true), ("b", 1, true)]);
    assert_eq!(rows[1].tags, ["best"]);
    assert_eq!(rows[1].hash, rows[3].hash);
    assert_eq!(bench.engine.drop_adapter("a@2").unwrap(), 1);
    assert_eq!(bench.engine.drop_adapter("a").unwrap(), 2);
    assert!(matches!(bench.engine.adapter("a"), Err(Error::UnknownAdapter { .. })));
    assert_eq!(bench.engine.complete(with("b", "hello")).await.unwrap().text, second.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_of_another_base_is_refused_with_both_hashes() {
    let bench = Bench::random();
    publish_random(&bench, "a", false, 1);
    write_random(&bench, "other", 8);
    let request = GenerateRequest { model: Some("other".to_owned()), ..with("a", "hello") };
    let error = bench.engine.complete(request).await.unwrap_err();
    let Error::BaseMismatch { adapter, expected, found } = error else { panic!("{error}") };
    assert_eq!(adapter, "a@1");
    assert_eq!(expected, base_hash(&bench, "random").to_string());
    assert_eq!(found, base_hash(&bench, "other").to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_adapter_is_named_with_the_nearest_one() {
    let bench = Bench::random();
    publish_random(&bench, "support", false, 1);
    for (asked, nearest) in [("suport", "support"), ("support@7", "support@1")] {
        let error = bench.engine.complete(with(asked, "hello")).await.unwrap_err();
        let expected = format!("adapter \"{asked}\" does not exist; did you mean \"{nearest}\"?");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn weights_are_read_by_layer_module_matrix_row_and_column() {
    let bench = Bench::random();
    let base = base_hash(&bench, "random");
    let weights = lora_weights(&random_config(), base, &[Module::QProj, Module::DownProj], 4, false, 3);
    publish_weights(&bench.engine, "a", "random", &weights);
    let all: usize = weights.layers.iter().map(|matrix| matrix.a.len() + matrix.b.len()).sum();
    let read = |filter: &WeightFilter| -> Vec<_> {
        bench.engine.adapter_weights("a@1", filter).unwrap().map(Result::unwrap).collect()
    };
    let batches = read(&WeightFilter::default());
    assert_eq!(batches.iter().map(|batch| batch.values.len()).sum::<usize>(), all);
    let filter = WeightFilter {
        layers: Some(1..=1),
        modules: Some(vec!["down_proj".to_owned()]),
        matrix: Some(MatrixKind::A),
        rows: Some(2..=3),
        cols: Some(5..=6),
        limit: None,
    };
    let batches = read(&filter);
    let matrix =
        weights.layers.iter().find(|matrix| matrix.layer == 1 && matrix.module == Module::DownProj).unwrap();
    let inputs = matrix.a.len() / 4;
    let found: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            (0..batch.values.len()).map(|at| (batch.rows[at], batch.cols[at], batch.values[at]))
        })
        .collect();
    let expected: Vec<_> = [(2, 5), (2, 6), (3, 5), (3, 6)]
        .map(|(row, col)| (row, col, matrix.a[row as usize * inputs + col as usize]))
        .into();
    assert_eq!(found, expected);
    let limited = read(&WeightFilter { limit: Some(3), ..WeightFilter::default() });
    assert_eq!(limited.iter().map(|batch| batch.values.len()).sum::<usize>(), 3);
}
