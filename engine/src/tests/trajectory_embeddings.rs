//! Prompts of recorded answers, embedded in the background.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;

use super::{Bench, ask, ask_random, eventually, statistic, write_random};
use crate::recording::trajectory::{Header, Outcome};
use crate::trajectories::embeddings::OWNER;
use crate::{
    CallContext, EmbedRequest, Engine, GenerateRequest, GridStatisticsRow, TrajectoryFilter, TrajectoryRow,
};

/// Recorded answers with their embeddings.
fn rows(engine: &Engine) -> Vec<TrajectoryRow> {
    let filter = TrajectoryFilter { embeddings: true, ..TrajectoryFilter::default() };
    engine.trajectories(&filter).unwrap().map(Result::unwrap).collect()
}

async fn embedded(engine: &Engine, count: u32) {
    eventually("the prompts are embedded", || statistic(engine, "embedded_trajectories") >= u64::from(count))
        .await;
    assert_eq!(statistic(engine, "embedded_trajectories"), u64::from(count));
}

async fn vector(engine: &Engine, text: &str, model: &str) -> Vec<f32> {
    let request = EmbedRequest {
        texts: vec![text.to_owned()],
        model: Some(model.to_owned()),
        dimensions: None,
        call: CallContext::local(),
    };
    engine.embed(request).await.unwrap().remove(0).values
}

/// The model with random weights, loaded; its hash.
async fn load_random(engine: &Engine) -> String {
    engine.registry.runtime(Some("random")).await.unwrap().hash.to_string()
}

/// Records an answer that was never given.
fn record(engine: &Engine, id: u64, model_hash: &str, prompt: &str, completion: String) {
    let header = Header {
        id,
        created_at: 1,
        conversation: None,
        model: "random".to_owned(),
        model_hash: model_hash.to_owned(),
        adapter: None,
        parameters: "{}".to_owned(),
        prompt: prompt.to_owned(),
        prompt_tokens: 1,
        provenance: String::new(),
    };
    let outcome = Outcome {
        completion,
        finish_reason: "stop".to_owned(),
        time_to_first_token_ms: 0.0,
        total_ms: 0.0,
        token_ids: Vec::new(),
        logprobs: Vec::new(),
    };
    engine.recorder.sender().push(header, outcome);
}

/// The blocks of a model that the grid holds.
fn blocks(engine: &Engine, model_hash: &str) -> Vec<u32> {
    let matrices = engine.adapter_store.snapshot().matrices(OWNER, model_hash);
    matrices.unwrap().into_iter().map(|found| found.path.layer).collect()
}

fn set(engine: &Engine, value: &str) {
    engine.set_setting("hyprstream.embed_trajectories", value).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_prompt_gets_the_vector_that_the_model_which_answered_gives_it() {
    let bench = Bench::random();
    let engine = &bench.engine;
    for prompt in ["How is the weather?", "Grüße 🙂", "a"] {
        engine.complete(ask_random(prompt, 2)).await.unwrap();
        engine.complete(ask(prompt, 2)).await.unwrap();
    }
    embedded(engine, 6).await;
    let rows = rows(engine);
    assert_eq!(rows.len(), 6);
    for row in &rows {
        let found = row.embedding.as_deref().unwrap();
        let expected = vector(engine, &row.prompt, &row.model).await;
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let precision = expected.abs() / 2048.0 + 1e-6;
            assert!((found - expected).abs() <= precision, "{found} for {expected}");
        }
    }
    let widths: BTreeSet<usize> = rows.iter().flat_map(|row| &row.embedding).map(Vec::len).collect();
    assert_eq!(widths.len(), 2, "each model has a width of its own");
    let unasked = engine.trajectories(&TrajectoryFilter::default()).unwrap();
    assert!(unasked.map(Result::unwrap).all(|row| row.embedding.is_none()));
    assert_eq!(statistic(engine, "unembedded_trajectories"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_outlive_the_process_and_none_is_computed_twice() {
    let bench = Bench::random();
    for number in 0..5 {
        let request = ask_random(&format!("question {number}"), 2);
        bench.engine.complete(request).await.unwrap();
    }
    embedded(&bench.engine, 5).await;
    let before = rows(&bench.engine);
    let bench = bench.reopen();
    assert_eq!(rows(&bench.engine), before);
    bench.engine.complete(ask_random("one more", 2)).await.unwrap();
    embedded(&bench.engine, 1).await;
    let commit = bench.engine.adapter_store.snapshot().commit_number();
    tokio::time::sleep(Duration::from_millis(700)).await;
    embedded(&bench.engine, 1).await;
    assert_eq!(
        bench.engine.adapter_store.snapshot().commit_number(),
        commit,
        "what is embedded is left alone"
    );
    assert_eq!(rows(&bench.engine)[..5], before);
    assert!(rows(&bench.engine)[5].embedding.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_while_it_was_off_is_made_up_for_once_it_is_on_and_the_model_in_memory() {
    let bench = Bench::random();
    set(&bench.engine, "off");
    bench.engine.complete(ask_random("quiet", 2)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(rows(&bench.engine)[0].embedding, None);
    assert!(bench.engine.adapter_store.snapshot().adapters().unwrap().is_empty());
    let bench = bench.reopen();
    set(&bench.engine, "on");
    bench.engine.complete(ask("of another model", 2)).await.unwrap();
    embedded(&bench.engine, 1).await;
    let loaded = |name: &str| {
        let models = bench.engine.models().unwrap();
        models.iter().any(|model| model.name == name && model.loaded)
    };
    assert!(!loaded("random"), "no model is loaded to embed");
    assert_eq!(rows(&bench.engine)[0].embedding, None);
    load_random(&bench.engine).await;
    embedded(&bench.engine, 2).await;
    assert!(rows(&bench.engine)[0].embedding.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_the_blocks_whose_ids_are_all_gone() {
    let bench = Bench::random();
    let hash = load_random(&bench.engine).await;
    for id in [1, 255, 300] {
        record(&bench.engine, id, &hash, "a question", String::new());
    }
    // One segment is full with it.
    record(&bench.engine, 1023, &hash, "at length", "x".repeat(17 << 20));
    rows(&bench.engine);
    for id in [1024, 5000] {
        record(&bench.engine, id, &hash, "another", String::new());
    }
    embedded(&bench.engine, 6).await;
    assert_eq!(blocks(&bench.engine, &hash), [0, 1, 3, 4, 19]);
    bench.engine.set_setting("hyprstream.trajectory_megabytes", "1").unwrap();
    let bench = bench.reopen();
    assert_eq!(blocks(&bench.engine, &hash), [4, 19]);
    let kept = rows(&bench.engine);
    assert_eq!(kept.iter().map(|row| row.id).collect::<Vec<_>>(), [1024, 5000]);
    assert!(kept.iter().all(|row| row.embedding.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_without_a_vector_is_counted_and_holds_nothing_up() {
    let bench = Bench::random();
    let hash = load_random(&bench.engine).await;
    record(&bench.engine, 1, &hash, &"long ".repeat(20_000), String::new());
    record(&bench.engine, 2, &hash, "", String::new());
    record(&bench.engine, 3, "of a model that is gone", "lost", String::new());
    record(&bench.engine, 4, &hash, "short", String::new());
    // The log has them once they are read.
    assert_eq!(rows(&bench.engine).len(), 4);
    embedded(&bench.engine, 1).await;
    assert_eq!(statistic(&bench.engine, "unembedded_trajectories"), 2);
    let found: Vec<u64> =
        rows(&bench.engine).into_iter().filter(|row| row.embedding.is_some()).map(|row| row.id).collect();
    assert_eq!(found, [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vectors_are_no_adapter_and_stay_through_compaction() {
    let bench = Bench::new();
    let engine = &bench.engine;
    engine.complete(ask("a question", 2)).await.unwrap();
    embedded(engine, 1).await;
    let before = rows(engine);
    assert!(engine.adapters().unwrap().is_empty());
    assert!(engine.checkpoints().unwrap().is_empty());
    assert!(engine.adapter(OWNER).is_err());
    assert!(engine.drop_adapter(OWNER).is_err());
    assert!(engine.rotate_adapter(OWNER, 1, false).is_err());
    assert!(engine.branch_adapter("nothing", OWNER).is_err());
    let statistics: Vec<GridStatisticsRow> =
        engine.grid_statistics(None).unwrap().map(Result::unwrap).collect();
    let [store] = statistics.as_slice() else { panic!("{statistics:?}") };
    assert_eq!((store.adapter.as_deref(), store.matrices), (None, 1));
    let width = before[0].embedding.as_ref().unwrap().len() as u64;
    assert!(store.active_values <= width && store.active_values > width / 2);
    assert_eq!(engine.grid_statistics(Some(OWNER)).unwrap().count(), 0);
    engine.compact().await.unwrap();
    let report = engine.adapter_store.grid().verify().unwrap();
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    assert_eq!(rows(engine), before);
    let bench = bench.reopen();
    assert_eq!(rows(&bench.engine), before);
}

/// A bench with many prompts that are not embedded yet.
async fn with_backlog(count: u64) -> Bench {
    let bench = Bench::random();
    write_random(&bench, "other", 8);
    let hash = load_random(&bench.engine).await;
    set(&bench.engine, "off");
    for id in 1..=count {
        let prompt = format!("question {id} {}", "and more of it ".repeat(5));
        record(&bench.engine, id, &hash, &prompt, String::new());
    }
    assert_eq!(rows(&bench.engine).len() as u64, count);
    bench
}

async fn some_embedded(engine: &Engine) {
    eventually("some are embedded", || statistic(engine, "embedded_trajectories") > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_first_whatever_model_they_are_of() {
    let bench = with_backlog(600).await;
    let engine = &bench.engine;
    engine.registry.runtime(Some("other")).await.unwrap();
    set(engine, "on");
    some_embedded(engine).await;
    for model in ["random", "other"] {
        let request = GenerateRequest {
            model: Some(model.to_owned()),
            record: Some(false),
            ..ask("a long story", 900)
        };
        let mut generation = engine.generate(request).await.unwrap();
        generation.next().await.unwrap().unwrap();
        let before = statistic(engine, "embedded_trajectories");
        while let Some(token) = generation.next().await {
            token.unwrap();
        }
        let meanwhile = statistic(engine, "embedded_trajectories") - before;
        // One commit was on its way when the answer began.
        assert!(meanwhile <= 64, "{meanwhile} prompts were embedded beside {model}");
        assert!(before + meanwhile < 600, "there was more to embed");
    }
    embedded(engine, 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_the_backlog_and_the_rest_follows_later() {
    let bench = with_backlog(600).await;
    set(&bench.engine, "on");
    some_embedded(&bench.engine).await;
    let began = Instant::now();
    bench.engine.close().unwrap();
    let closing = began.elapsed();
    assert!(closing < Duration::from_secs(1), "closing took {closing:?}");
    let first = statistic(&bench.engine, "embedded_trajectories");
    assert!(first < 600, "nothing was left to do");
    let bench = bench.reopen();
    load_random(&bench.engine).await;
    embedded(&bench.engine, 600 - first as u32).await;
    assert!(rows(&bench.engine).iter().all(|row| row.embedding.is_some()));
}
