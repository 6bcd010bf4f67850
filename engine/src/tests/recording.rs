//! Recorded answers, from the decode thread to the table.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;

use super::{Bench, ask_random, eventually, options, statistic, tokens};
use crate::recording::trajectory::{Header, Outcome};
use crate::{Engine, GenerateRequest, TrajectoryFilter, TrajectoryRow};

fn rows(engine: &Engine, filter: &TrajectoryFilter) -> Vec<TrajectoryRow> {
    engine.trajectories(filter).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_recorded_as_it_was_given() {
    let bench = Bench::random();
    let (tokens, completion) = tokens(&bench.engine, ask_random("Remember this", 12)).await;
    let rows = rows(&bench.engine, &TrajectoryFilter::default());
    let [row] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    assert_eq!(Some(row.id), completion.trajectory_id);
    assert_eq!((row.prompt.as_str(), &row.completion), ("Remember this", &completion.text));
    assert_eq!(row.token_ids, tokens.iter().map(|token| token.token_id).collect::<Vec<_>>());
    assert_eq!(row.logprobs, tokens.iter().map(|token| token.logprob).collect::<Vec<_>>());
    assert_eq!((row.model.as_str(), row.finish_reason.as_str()), ("random", "length"));
    assert_eq!(row.provenance, completion.provenance);
    assert!(row.parameters.contains("\"temperature\":0"), "{}", row.parameters);
    assert!((row.total_ms - completion.total_ms).abs() < 1e-9);
    let tokens = bench.engine.trajectory_tokens(&TrajectoryFilter { limit: Some(5), ..Default::default() });
    let tokens: Vec<_> = tokens.unwrap().map(Result::unwrap).collect();
    assert_eq!(tokens.len(), 5);
    assert_eq!(tokens[4].token_id, row.token_ids[4]);
    assert!(tokens[4].token.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_answers_outlive_the_process_and_ids_go_on_rising() {
    let bench = Bench::random();
    let first = bench.engine.complete(ask_random("one", 4)).await.unwrap().trajectory_id.unwrap();
    let second = bench.engine.complete(ask_random("two", 4)).await.unwrap().trajectory_id.unwrap();
    let bench = bench.reopen();
    let third = bench.engine.complete(ask_random("three", 4)).await.unwrap().trajectory_id.unwrap();
    assert!(first < second && second < third);
    let newest =
        rows(&bench.engine, &TrajectoryFilter { newest_first: true, limit: Some(2), ..Default::default() });
    assert_eq!(newest.iter().map(|row| row.prompt.as_str()).collect::<Vec<_>>(), ["three", "two"]);
    let by_id = rows(&bench.engine, &TrajectoryFilter { ids: Some(first..=first), ..Default::default() });
    assert_eq!(by_id.iter().map(|row| row.prompt.as_str()).collect::<Vec<_>>(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_on_the_disk_within_a_second_without_being_asked_for() {
    let bench = Bench::random();
    bench.engine.complete(ask_random("durable", 4)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let segments = std::fs::read_dir(bench.directory.path().join("trajectories")).unwrap();
    let found = segments.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    assert!(found.into_iter().any(|bytes| bytes.windows(7).any(|window| window == b"durable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_can_be_turned_off_for_a_request_and_for_all() {
    let bench = Bench::random();
    let quiet = GenerateRequest { record: Some(false), ..ask_random("quiet", 2) };
    assert_eq!(bench.engine.complete(quiet).await.unwrap().trajectory_id, None);
    bench.engine.set_setting("hyprstream.record_trajectories", "false").unwrap();
    assert_eq!(bench.engine.complete(ask_random("quiet", 2)).await.unwrap().trajectory_id, None);
    let bench = bench.reopen();
    assert_eq!(bench.engine.setting("hyprstream.record_trajectories").unwrap(), "off");
    let loud = GenerateRequest { record: Some(true), ..ask_random("loud", 2) };
    assert!(bench.engine.complete(loud).await.unwrap().trajectory_id.is_some());
    bench.engine.reset_setting("hyprstream.record_trajectories").unwrap();
    assert!(bench.engine.complete(ask_random("loud too", 2)).await.unwrap().trajectory_id.is_some());
    let prompts: Vec<_> =
        rows(&bench.engine, &TrajectoryFilter::default()).into_iter().map(|row| row.prompt).collect();
    assert_eq!(prompts, ["loud", "loud too"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_answer_is_recorded_with_what_it_had() {
    let bench = Bench::random();
    let mut generation = bench.engine.generate(ask_random("cut", 900)).await.unwrap();
    generation.next().await.unwrap().unwrap();
    drop(generation);
    eventually("it is recorded", || !rows(&bench.engine, &TrajectoryFilter::default()).is_empty()).await;
    let row = rows(&bench.engine, &TrajectoryFilter::default()).remove(0);
    assert_eq!(row.finish_reason, "cancelled");
    assert!(!row.token_ids.is_empty() && row.token_ids.len() < 900);
}

#[test]
fn what_a_full_ring_drops_is_counted_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&directory);
    options.recording_capacity = 4;
    let engine = Engine::open(options).unwrap();
    let stalled = engine.recorder.stall();
    let sender = engine.recorder.sender();
    for number in 0..10_u32 {
        let header = Header {
            id: engine.recorder.allocate_id(),
            created_at: 1,
            conversation: None,
            model: "m".to_owned(),
            model_hash: String::new(),
            adapter: None,
            parameters: "{}".to_owned(),
            prompt: number.to_string(),
            prompt_tokens: 1,
            provenance: String::new(),
        };
        let outcome = Outcome {
            completion: String::new(),
            finish_reason: "stop".to_owned(),
            time_to_first_token_ms: 0.0,
            total_ms: 0.0,
            token_ids: vec![1; 3],
            logprobs: vec![0.0; 3],
        };
        sender.push(header, outcome);
    }
    assert_eq!(statistic(&engine, "dropped_records"), 6);
    assert_eq!(statistic(&engine, "dropped_tokens"), 18);
    assert_eq!(statistic(&engine, "recorded_trajectories"), 4);
    drop(stalled);
    let prompts: Vec<_> =
        rows(&engine, &TrajectoryFilter::default()).into_iter().map(|row| row.prompt).collect();
    assert_eq!(prompts, ["0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_costs_the_decode_thread_microseconds_a_token() {
    const ROUNDS: usize = 8;
    let bench = Bench::random();
    let mut ids = BTreeSet::new();
    // The clock also counts what other threads of the machine took in between, so the least disturbed round is
    // the one that measures recording.
    let mut cheapest = u64::MAX;
    for round in 0..ROUNDS {
        let before = ["recording_ns", "recorded_tokens"].map(|name| statistic(&bench.engine, name));
        let requests =
            (0..8).map(|row| bench.engine.complete(ask_random(&format!("round {round} row {row}"), 32)));
        ids.extend(join_all(requests).await.into_iter().map(|answer| answer.unwrap().trajectory_id));
        let after = ["recording_ns", "recorded_tokens"].map(|name| statistic(&bench.engine, name));
        cheapest = cheapest.min((after[0] - before[0]) / (after[1] - before[1]));
    }
    assert_eq!(ids.len(), 64);
    assert!(cheapest < 10_000, "{cheapest} ns a token");
    assert_eq!(rows(&bench.engine, &TrajectoryFilter::default()).len(), 64);
}
