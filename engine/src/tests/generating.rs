//! Text from one request and from many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, stream};

use super::{Bench, ask, ask_random, eventually, statistic, tokens};
use crate::{CallContext, ClientId, EngineOptions, Error, FinishReason, GenerateRequest, SamplingOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_prompt_as_if_it_were_alone() {
    let bench = Bench::new();
    let prompts: Vec<String> = ["France", "Japan", "Kenya", "Peru", "Norway", "Egypt", "India", "Chile"]
        .iter()
        .flat_map(|country| {
            [
                format!("What is the capital of {country}?"),
                format!("{country}: its capital city, please, in one word."),
            ]
        })
        .collect();
    let together = join_all(prompts.iter().map(|prompt| bench.engine.complete(ask(prompt, 24)))).await;
    for (prompt, together) in prompts.iter().zip(together) {
        let alone = bench.engine.complete(ask(prompt, 24)).await.unwrap();
        assert_eq!(together.unwrap().text, alone.text, "{prompt}");
    }
    let decodes = statistic(&bench.engine, "decodes");
    let generated = statistic(&bench.engine, "generated_tokens");
    assert!(4 * decodes < 3 * generated, "{decodes} decodes for {generated} tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_different_lengths_close_ranks_and_stay_what_they_are_alone() {
    let bench = Bench::random();
    let requests = || (0..24).map(|row| ask_random(&format!("row {row}"), 4 + 7 * (row % 5)));
    let together = join_all(requests().map(|request| bench.engine.complete(request))).await;
    assert!(statistic(&bench.engine, "moved_sequences") > 0);
    let moved = statistic(&bench.engine, "moved_sequences");
    for (request, together) in requests().zip(together) {
        let alone = bench.engine.complete(request).await.unwrap();
        assert_eq!(together.unwrap().text, alone.text);
    }
    assert_eq!(statistic(&bench.engine, "moved_sequences"), moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_not_overtaken_by_those_that_come_after_it() {
    let bench = Bench::with(|options| options.max_sequences = Some(8));
    super::write_random(&bench, "random", 7);
    // Each fills more than half of a batch, so that one prompt is computed at a time.
    let prompt = |row: usize| format!("{row} {}", "jumps over the lazy dog ".repeat(18));
    let answered = AtomicUsize::new(0);
    let others = stream::iter((0..60).map(|row| bench.engine.complete(ask_random(&prompt(row), 1))))
        .buffer_unordered(7)
        .inspect(|_| {
            answered.fetch_add(1, Ordering::Relaxed);
        })
        .for_each(|other| async move { assert!(other.unwrap().prompt_tokens > 256) });
    let one = async {
        eventually("the first answer", || answered.load(Ordering::Relaxed) > 0).await;
        let before = answered.load(Ordering::Relaxed);
        bench.engine.complete(ask_random(&prompt(1000), 1)).await.unwrap();
        answered.load(Ordering::Relaxed) - before
    };
    let (overtaking, ()) = tokio::join!(one, others);
    assert!(overtaking <= 16, "{overtaking} of 60 were answered before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_prompt_fed_in_chunks_answers_as_one_that_joins_a_running_batch() {
    let bench = Bench::random();
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(10);
    let alone = bench.engine.complete(ask_random(&long, 12)).await.unwrap();
    let mut running = bench.engine.generate(ask_random("abc", 200)).await.unwrap();
    running.next().await.unwrap().unwrap();
    let joined = bench.engine.complete(ask_random(&long, 12)).await.unwrap();
    assert_eq!(joined.text, alone.text);
    assert!(alone.prompt_tokens > 64);
    assert_eq!(running.map(Result::unwrap).count().await + 1, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stream_while_the_answer_is_being_decoded() {
    let bench = Bench::random();
    let (tokens, completion) = tokens(&bench.engine, ask_random("Tell me", 60)).await;
    assert_eq!(tokens.len(), completion.completion_tokens);
    assert!(tokens.iter().enumerate().all(|(index, token)| token.index as usize == index));
    assert_eq!(tokens.iter().map(|token| token.token.as_str()).collect::<String>(), completion.text);
    assert_eq!(tokens.last().unwrap().text, completion.text);
    assert!(tokens.iter().all(|token| token.logprob <= 0.0));
    assert!(tokens[0].elapsed_ms < tokens[tokens.len() - 1].elapsed_ms);
    assert!((completion.time_to_first_token_ms - tokens[0].elapsed_ms).abs() < 1e-6);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_generation_frees_its_sequence_within_a_decode() {
    let bench = Bench::random();
    let mut generation = bench.engine.generate(ask_random("go on", 900)).await.unwrap();
    generation.next().await.unwrap().unwrap();
    assert_eq!(statistic(&bench.engine, "active_sequences"), 1);
    drop(generation);
    let generated = statistic(&bench.engine, "generated_tokens");
    eventually("the request is cancelled", || statistic(&bench.engine, "cancelled_requests") == 1).await;
    assert_eq!(statistic(&bench.engine, "active_sequences"), 0);
    assert!(statistic(&bench.engine, "generated_tokens") - generated <= 1);
    assert!(statistic(&bench.engine, "generated_tokens") < 900);
    assert_eq!(bench.engine.complete(ask_random("go on", 5)).await.unwrap().completion_tokens, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_of_a_whole_answer_cancels_it() {
    let bench = Bench::random();
    bench.engine.complete(ask_random("warm", 1)).await.unwrap();
    let answer = bench.engine.complete(ask_random("go on", 900));
    assert!(tokio::time::timeout(Duration::from_millis(30), answer).await.is_err());
    eventually("the request is cancelled", || statistic(&bench.engine, "cancelled_requests") == 1).await;
    assert_eq!(statistic(&bench.engine, "active_sequences"), 0);
    assert_eq!(statistic(&bench.engine, "completed_requests"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_where_it_should() {
    let bench = Bench::new();
    let whole = bench.engine.complete(ask("What is the capital of France?", 64)).await.unwrap();
    assert_eq!(whole.finish_reason, FinishReason::Stop);
    let cut = bench.engine.complete(ask("What is the capital of France?", 1)).await.unwrap();
    assert_eq!((cut.finish_reason, cut.completion_tokens), (FinishReason::Length, 1));
    let stop = whole.text.get(1..3).unwrap().to_owned();
    let request = GenerateRequest { stop: vec![stop], ..ask("What is the capital of France?", 64) };
    let stopped = bench.engine.complete(request).await.unwrap();
    assert_eq!((stopped.finish_reason, stopped.text.as_str()), (FinishReason::Stop, &whole.text[..1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_repeats_a_random_answer_and_another_seed_changes_it() {
    let bench = Bench::random();
    let with_seed = |seed| GenerateRequest {
        sampling: SamplingOptions { temperature: 1.5, seed: Some(seed), ..SamplingOptions::default() },
        ..ask_random("Once", 40)
    };
    let first = bench.engine.complete(with_seed(1)).await.unwrap();
    let again = bench.engine.complete(with_seed(1)).await.unwrap();
    let other = bench.engine.complete(with_seed(2)).await.unwrap();
    assert_eq!((&first.text, &first.provenance), (&again.text, &again.provenance));
    assert_ne!(first.text, other.text);
    assert_ne!(first.provenance, other.provenance);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_at_the_end_of_the_context() {
    let bench = Bench::with(|options| options.context_length = Some(64));
    super::write_random(&bench, "random", 7);
    let answer = bench.engine.complete(ask_random("a b c", 500)).await.unwrap();
    assert_eq!(answer.finish_reason, FinishReason::Length);
    assert_eq!(answer.prompt_tokens + answer.completion_tokens, 64);
    let error = bench.engine.complete(ask_random(&"word ".repeat(200), 5)).await.unwrap_err();
    let Error::PromptTooLong { prompt_tokens, context } = error else { panic!("{error}") };
    assert!(prompt_tokens > 64 && context == 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_cache_holds_are_all_answered_in_turn() {
    let change = |options: &mut EngineOptions| {
        options.max_sequences = Some(3);
        options.queue_capacity = 2;
    };
    let bench = Bench::with(change);
    super::write_random(&bench, "random", 7);
    let requests = (0..20).map(|client| {
        let call = Arc::new(CallContext::new(ClientId(client % 3), "ada"));
        let request = GenerateRequest { call, ..ask_random(&format!("row {client}"), 10) };
        bench.engine.complete(request)
    });
    for answer in join_all(requests).await {
        assert_eq!(answer.unwrap().completion_tokens, 10);
    }
    assert_eq!(statistic(&bench.engine, "waiting_requests"), 0);
    assert_eq!(statistic(&bench.engine, "completed_requests"), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_what_is_running_with_an_error() {
    let bench = Bench::random();
    let mut generation = bench.engine.generate(ask_random("go on", 900)).await.unwrap();
    generation.next().await.unwrap().unwrap();
    bench.engine.close().unwrap();
    let ending = generation.by_ref().filter_map(|token| std::future::ready(token.err())).next().await;
    assert!(matches!(ending, Some(Error::Cancelled)));
    assert!(generation.completion().is_none());
    assert!(matches!(bench.engine.complete(ask_random("more", 1)).await, Err(Error::Cancelled)));
}
