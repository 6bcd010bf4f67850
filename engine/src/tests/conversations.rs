//! Conversations: what an answer remembers of earlier ones.

use futures::future::join;

use super::{Bench, ask_random};
use crate::{GenerateRequest, TrajectoryFilter};

fn in_session(prompt: &str) -> GenerateRequest {
    GenerateRequest { conversation: Some("talk".to_owned()), ..ask_random(prompt, 6) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_across_a_restart() {
    let bench = Bench::random();
    let first = bench.engine.complete(in_session("hello")).await.unwrap();
    let bench = bench.reopen();
    let second = bench.engine.complete(in_session("and then?")).await.unwrap();
    let fresh = bench.engine.complete(ask_random("and then?", 6)).await.unwrap();
    assert!(second.prompt_tokens > first.prompt_tokens + fresh.prompt_tokens);
    let rows = bench.engine.conversations().unwrap();
    assert_eq!((rows[0].name.as_str(), rows[0].turns, rows[0].model.as_str()), ("talk", 2, "random"));
    assert_eq!(rows[0].completion_tokens, 12);
    let filter =
        TrajectoryFilter { conversation: Some("talk".to_owned()), limit: Some(9), ..Default::default() };
    assert_eq!(bench.engine.trajectories(&filter).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_one_conversation_wait_for_each_other() {
    let bench = Bench::random();
    let (one, two) = join(
        bench.engine.complete(in_session("a question")),
        bench.engine.complete(in_session("a question")),
    )
    .await;
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.prompt_tokens, two.prompt_tokens);
    assert_eq!(bench.engine.conversations().unwrap()[0].turns, 2);
}
