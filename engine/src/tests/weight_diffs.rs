//! Weights in which two versions differ.

use hyprstream_models::{LoraWeights, Module};
use hyprstream_models_testing::random::lora_weights;
use hyprstream_storage::{MatrixPath, UpdateBatch, VersionPath};

use super::adapters::base_hash;
use super::{Bench, publish_weights, random_config};
use crate::adapters::record::{publish, version_record};
use crate::{MatrixKind, WeightFilter};

type Difference = (u32, String, MatrixKind, u32, u32, Option<f32>, Option<f32>);

fn weights(bench: &Bench, modules: &[Module], rank: usize, seed: u64) -> LoraWeights {
    lora_weights(&random_config(), base_hash(bench, "random"), modules, rank, false, seed)
}

fn differences(bench: &Bench, old: &str, new: &str, filter: &WeightFilter) -> Vec<Difference> {
    let batches = bench.engine.adapter_diff(old, new, filter).unwrap();
    let mut found = Vec::new();
    for batch in batches.map(Result::unwrap) {
        for at in 0..batch.rows.len() {
            let place = (batch.rows[at], batch.cols[at]);
            let values = (batch.old_values[at], batch.new_values[at]);
            found.push((
                batch.layer,
                batch.module.clone(),
                batch.matrix,
                place.0,
                place.1,
                values.0,
                values.1,
            ));
        }
    }
    found
}

/// Publishes the next version of `name`: the last one with some elements of one matrix set.
fn publish_changed(
    bench: &Bench,
    name: &str,
    from: &str,
    matrix: (u32, Module, &str),
    set: &[(u32, u32, f32)],
) {
    let store = &bench.engine.adapter_store;
    let record = version_record(&store.snapshot(), name, from).unwrap();
    store
        .write(|transaction| {
            let version = transaction.next_version_number(name)?.to_string();
            transaction.branch_version(VersionPath::new(name, from), VersionPath::new(name, &version))?;
            let path = MatrixPath::new(name, &*version, matrix.0, matrix.1.to_string(), matrix.2);
            let mut updates = UpdateBatch::new();
            updates.set(&path, set);
            transaction.apply(&updates)?;
            publish(transaction, name, &version, &record)
        })
        .unwrap();
}

#[test]
fn a_difference_names_each_changed_weight_with_both_values() {
    let bench = Bench::random();
    let first = weights(&bench, &[Module::QProj, Module::UpProj], 4, 1);
    publish_weights(&bench.engine, "a", "random", &first);
    let up = (1, Module::UpProj, "A");
    publish_changed(&bench, "a", "1", up, &[(3, 7, 0.5), (0, 2, 0.0), (1, 1, -2.0)]);
    let matrix =
        first.layers.iter().find(|matrix| matrix.layer == 1 && matrix.module == Module::UpProj).unwrap();
    let inputs = matrix.a.len() / 4;
    let expected = |row: usize, col: usize, new: f32| -> Difference {
        let old = matrix.a[row * inputs + col];
        let place = (row as u32, col as u32);
        (1, "up_proj".into(), MatrixKind::A, place.0, place.1, Some(old), Some(new))
    };
    let all = [expected(0, 2, 0.0), expected(1, 1, -2.0), expected(3, 7, 0.5)];
    assert_eq!(differences(&bench, "a@1", "a@2", &WeightFilter::default()), all);
    let narrow = |filter: WeightFilter| differences(&bench, "a@1", "a", &filter);
    let rows = WeightFilter { rows: Some(1..=3), cols: Some(0..=6), ..WeightFilter::default() };
    assert_eq!(narrow(rows), all[1..2]);
    let limit = WeightFilter { limit: Some(2), ..WeightFilter::default() };
    assert_eq!(narrow(limit), all[..2]);
    for filter in [
        WeightFilter { layers: Some(0..=0), ..WeightFilter::default() },
        WeightFilter { modules: Some(vec!["q_proj".to_owned()]), ..WeightFilter::default() },
        WeightFilter { matrix: Some(MatrixKind::B), ..WeightFilter::default() },
    ] {
        assert_eq!(narrow(filter), []);
    }
    bench.engine.branch_adapter("a@1", "b").unwrap();
    assert_eq!(differences(&bench, "a@1", "b", &WeightFilter::default()), []);
}

#[test]
fn where_one_version_has_no_weight_its_value_is_missing() {
    let bench = Bench::random();
    let narrow = weights(&bench, &[Module::QProj], 2, 1);
    let mut wide = weights(&bench, &[Module::QProj, Module::OProj], 3, 2);
    let query =
        |weights: &LoraWeights| weights.layers.iter().position(|m| m.module == Module::QProj).unwrap();
    // The first rows of A agree but for one weight, which the second version holds at zero.
    let (at, inputs) = (query(&wide), random_config().hidden_size);
    let shared = narrow.layers[query(&narrow)].a.clone();
    wide.layers[at].a[..shared.len()].copy_from_slice(&shared);
    wide.layers[at].a[5] = 0.0;
    publish_weights(&bench.engine, "a", "random", &narrow);
    publish_weights(&bench.engine, "a", "random", &wide);
    let of = |module: &str, matrix| {
        let filter = WeightFilter {
            layers: Some(0..=0),
            modules: Some(vec![module.to_owned()]),
            matrix: Some(matrix),
            ..WeightFilter::default()
        };
        differences(&bench, "a@1", "a@2", &filter)
    };
    let query = of("q_proj", MatrixKind::A);
    assert_eq!(query.len(), 1 + inputs);
    assert_eq!(query[0], (0, "q_proj".into(), MatrixKind::A, 0, 5, Some(shared[5]), Some(0.0)));
    assert!(query[1..].iter().all(|found| found.3 == 2 && found.5.is_none() && found.6.is_some()));
    let added = of("o_proj", MatrixKind::B);
    assert_eq!(added.len(), 3 * inputs);
    assert!(added.iter().all(|found| found.5.is_none() && found.6.is_some()));
}
