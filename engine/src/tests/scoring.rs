//! Log-probabilities of given completions.

use super::{Bench, ask_random, tokens};
use crate::{CallContext, Engine, Error, GenerateRequest, Score, ScoreRequest, WeightPreference};

/// Questions with answers, some of which the bundled model finds likely and some unlikely.
const ANSWERED: [(&str, &str); 8] = [
    ("What is the capital of France?", "Paris"),
    ("What is the capital of Peru?", "Bogota"),
    ("What is 17 + 25?", "42"),
    ("How many metres are 3 kilometres?", "3000 metres"),
    ("Is this review positive or negative? The soup was cold.", "negative"),
    ("Is this review positive or negative? I loved every minute.", "positive"),
    ("Name a colour.", "blue"),
    ("What is a river?", "a large stream of water that flows to the sea"),
];

async fn score(engine: &Engine, prompt: &str, completion: &str, raw: bool) -> Result<Score, Error> {
    let request = ScoreRequest {
        prompt: prompt.to_owned(),
        completion: completion.to_owned(),
        model: Some("random".to_owned()),
        adapter: None,
        raw,
        call: CallContext::local(),
    };
    engine.score(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_score_of_an_answer_is_the_sum_of_its_recorded_log_probabilities() {
    let bench = Bench::random();
    let mut compared = 0;
    for prompt in ["alpha", "beta gamma", "The end of", "1 2 3", "x = y", "Hello there", "na na na", "So"] {
        let request = GenerateRequest { raw: true, ..ask_random(prompt, 20) };
        let (tokens, completion) = tokens(&bench.engine, request).await;
        let ids: Vec<u32> = tokens.iter().map(|token| token.token_id).collect();
        // Only an answer that reads back as the same tokens has the same score.
        if bench.engine.tokenize(&completion.text, Some("random")).unwrap() != ids {
            continue;
        }
        compared += 1;
        let sum: f64 = tokens.iter().map(|token| f64::from(token.logprob)).sum();
        let score = score(&bench.engine, prompt, &completion.text, true).await.unwrap();
        assert_eq!(score.tokens, ids.len());
        assert!((score.logprob - sum).abs() < 1e-3, "{} and {sum}", score.logprob);
    }
    assert!(compared > 0, "no answer read back as its own tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_turn_counts_unless_raw() {
    let bench = Bench::random();
    let chat = score(&bench.engine, "hi", "yes", false).await.unwrap();
    let raw = score(&bench.engine, "hi", "yes", true).await.unwrap();
    assert_eq!(chat.tokens, raw.tokens + 1);
    assert!(chat.logprob < 0.0 && raw.logprob < 0.0);
    assert_eq!(score(&bench.engine, "hi", "", true).await.unwrap(), Score { logprob: 0.0, tokens: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_longer_than_a_chunk_scores_as_the_sum_of_its_parts() {
    let bench = Bench::random();
    let long = "words that go on and on ".repeat(28);
    let whole = score(&bench.engine, "p", &long, true).await.unwrap();
    assert!(whole.tokens > 64);
    let split = long.len() / 2 / 24 * 24;
    let first = score(&bench.engine, "p", &long[..split], true).await.unwrap();
    let second = score(&bench.engine, &format!("p{}", &long[..split]), &long[split..], true).await.unwrap();
    // The cut lies between two tokens, so the chain rule holds.
    assert_eq!(first.tokens + second.tokens, whole.tokens);
    assert!((first.logprob + second.logprob - whole.logprob).abs() < 1e-2, "{first:?} {second:?} {whole:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_bit_weights_score_near_what_full_precision_scores() {
    let wide = Bench::with(|options| options.weights = WeightPreference::F32);
    let narrow = Bench::with(|options| options.weights = WeightPreference::Q8_0);
    let mut worst: f64 = 0.0;
    let mut mean = 0.0;
    for (prompt, completion) in ANSWERED {
        let request = ScoreRequest {
            prompt: prompt.to_owned(),
            completion: completion.to_owned(),
            model: None,
            adapter: None,
            raw: false,
            call: CallContext::local(),
        };
        let expected = wide.engine.score(request.clone()).await.unwrap();
        let found = narrow.engine.score(request).await.unwrap();
        assert_eq!(found.tokens, expected.tokens);
        let difference = (found.logprob - expected.logprob).abs() / found.tokens as f64;
        worst = worst.max(difference);
        mean += difference / ANSWERED.len() as f64;
    }
    println!("Q8_0 against f32, in nats a token: {mean:.5} on average, {worst:.5} at most");
    assert!(worst > 0.0, "the weights were not narrowed");
    assert!(worst < 0.1, "{worst}");
}
