//! The context of a call: what its requests cost, and when they are cancelled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;

use super::{Bench, ask_random, eventually, statistic};
use crate::{CallContext, ClientId, EmbedRequest, Error, GenerateRequest, ScoreRequest};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_knows_what_each_of_its_operators_and_all_together_cost() {
    let bench = Bench::random();
    let statement = Arc::new(CallContext::new(ClientId(3), "ada"));
    let (generating, scoring, embedding) = (statement.operator(), statement.operator(), statement.operator());
    let request = |prompt| GenerateRequest { call: Arc::clone(&generating), ..ask_random(prompt, 6) };
    let whole = bench.engine.complete(request("a question")).await.unwrap();
    let mut stream = bench.engine.generate(request("another question")).await.unwrap();
    while stream.next().await.is_some() {}
    let streamed = stream.completion().unwrap().clone();
    let usage = generating.usage();
    assert_eq!(usage.answers, 2);
    assert_eq!(usage.generated_tokens as usize, whole.completion_tokens + streamed.completion_tokens);
    assert_eq!(usage.prompt_tokens as usize, whole.prompt_tokens + streamed.prompt_tokens);
    assert_eq!(usage.generated_tokens, statistic(&bench.engine, "generated_tokens"));
    assert_eq!(usage.answers, statistic(&bench.engine, "completed_requests"));
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    let total = whole.total_ms + streamed.total_ms;
    assert!((milliseconds(usage.time_to_first_token + usage.decode_time) - total).abs() < 0.1);
    let score = ScoreRequest {
        prompt: "a".to_owned(),
        completion: "b".to_owned(),
        model: Some("random".to_owned()),
        adapter: None,
        raw: true,
        call: Arc::clone(&scoring),
    };
    bench.engine.score(score).await.unwrap();
    let texts = vec!["some text".to_owned(), "more of it".to_owned()];
    let embed = EmbedRequest { texts, model: None, dimensions: None, call: Arc::clone(&embedding) };
    let vectors = bench.engine.embed(embed).await.unwrap();
    let embedded: usize = vectors.iter().map(|vector| vector.tokens).sum();
    assert_eq!(embedding.usage().prompt_tokens as usize, embedded);
    assert!(scoring.usage().prompt_tokens >= 2 && scoring.usage().answers == 0);
    let parts = [&generating, &scoring, &embedding].map(|call| call.usage().prompt_tokens);
    assert_eq!(statement.usage().prompt_tokens, parts.iter().sum::<u64>());
    assert_eq!(statement.usage().generated_tokens, usage.generated_tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_an_answer_that_is_broken_off_count() {
    let bench = Bench::random();
    let call = Arc::new(CallContext::new(ClientId(3), "ada"));
    let request = GenerateRequest { call: Arc::clone(&call), ..ask_random("tell me all", 100_000) };
    let mut stream = bench.engine.generate(request).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    eventually("the end", || statistic(&bench.engine, "cancelled_requests") == 1).await;
    let usage = call.usage();
    assert!(usage.generated_tokens >= 1 && usage.prompt_tokens >= 1 && usage.answers == 0, "{usage:?}");
    assert_eq!(usage.generated_tokens, statistic(&bench.engine, "generated_tokens"));
    assert_eq!(usage.prompt_tokens, statistic(&bench.engine, "prompt_tokens"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_computed_again_in_a_new_cache_counts_once() {
    let bench = Bench::random();
    let [one, two] = [(); 2].map(|()| Arc::new(CallContext::new(ClientId(3), "ada")));
    let of = |call: &Arc<CallContext>, tokens| GenerateRequest {
        call: Arc::clone(call),
        ..ask_random("a question", tokens)
    };
    let mut short = bench.engine.generate(of(&one, 200)).await.unwrap();
    assert!(short.next().await.unwrap().is_ok());
    let reshapes = statistic(&bench.engine, "cache_reshapes");
    let long = bench.engine.complete(of(&two, 600)).await.unwrap();
    assert!(statistic(&bench.engine, "cache_reshapes") > reshapes, "the cache was made anew");
    while short.next().await.is_some() {}
    let short = short.completion().unwrap();
    assert_eq!(one.usage().prompt_tokens as usize, short.prompt_tokens);
    assert_eq!(one.usage().generated_tokens as usize, short.completion_tokens);
    let prompt_tokens = short.prompt_tokens + long.prompt_tokens;
    assert_eq!(prompt_tokens as u64, statistic(&bench.engine, "prompt_tokens"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_time_is_up_gets_no_answer() {
    let bench = Bench::random();
    let call = Arc::new(CallContext::new(ClientId(3), "ada").with_deadline(Instant::now()));
    let request = GenerateRequest { call: Arc::clone(&call), ..ask_random("too late", 6) };
    assert!(matches!(bench.engine.complete(request).await, Err(Error::Cancelled)));
    assert_eq!(call.usage().generated_tokens, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_broken_off_when_the_time_of_its_call_is_up() {
    let bench = Bench::random();
    bench.engine.complete(ask_random("load the model", 1)).await.unwrap();
    let soon = Instant::now() + Duration::from_millis(5);
    let call = Arc::new(CallContext::new(ClientId(3), "ada").with_deadline(soon));
    let request = GenerateRequest { call: Arc::clone(&call), ..ask_random("tell me all", 100_000) };
    let mut stream = bench.engine.generate(request).await.unwrap();
    let mut last = None;
    while let Some(token) = stream.next().await {
        last = Some(token);
    }
    assert!(matches!(last, Some(Err(Error::Cancelled))), "{last:?}");
    assert!(Instant::now() >= soon);
    assert_eq!(statistic(&bench.engine, "active_sequences"), 0);
}
