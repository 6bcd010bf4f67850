//! Decodes that fail, and model files that are answered as they are.

use futures::StreamExt;
use hyprstream_models::{ModelFiles, WeightType};
use hyprstream_models_testing::random::write_model_dir;

use super::{Bench, ask_random, random_config, statistic, tokens};
use crate::{Error, WeightPreference};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_decode_ends_its_requests_with_an_error_and_the_next_one_is_answered_as_ever() {
    let bench = Bench::random();
    let engine = &bench.engine;
    let expected = tokens(engine, ask_random("as ever", 12)).await.0;
    let runtime = engine.registry.runtime(Some("random")).await.unwrap();
    let reshapes = statistic(engine, "cache_reshapes");
    for _ in 0..3 {
        let mut generation = engine.generate(ask_random("as ever", 900)).await.unwrap();
        generation.next().await.unwrap().unwrap();
        runtime.fail_decode();
        let last = generation.fold(None, |_, event| std::future::ready(Some(event)));
        assert!(matches!(last.await, Some(Err(Error::Cancelled))));
    }
    assert_eq!(statistic(engine, "active_sequences"), 0);
    assert_eq!(statistic(engine, "failed_requests"), 3);
    let again = tokens(engine, ask_random("as ever", 12)).await.0;
    let ids =
        |tokens: &[crate::GeneratedToken]| tokens.iter().map(|token| token.token_id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&expected));
    assert!(statistic(engine, "cache_reshapes") > reshapes, "the cache was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gguf_file_answers_as_it_is_whatever_weights_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    write_model_dir(&source, &random_config(), 7).unwrap();
    let files = ModelFiles::open(&source).unwrap();
    let path = files.gguf(directory.path(), WeightType::F16).unwrap();
    for (weights, of_directory) in
        [(WeightPreference::Q8_0, "q8_0"), (WeightPreference::F32, "f32"), (WeightPreference::Auto, "f32")]
    {
        let bench = Bench::with(|options| {
            options.models.insert("random".to_owned(), path.clone());
            options.models.insert("directory".to_owned(), source.clone());
            options.weights = weights;
        });
        bench.engine.complete(ask_random("from a file", 4)).await.unwrap();
        let other = crate::GenerateRequest {
            model: Some("directory".to_owned()),
            ..ask_random("from a directory", 4)
        };
        bench.engine.complete(other).await.unwrap();
        let models = bench.engine.models().unwrap();
        let answered = |name: &str| {
            let row = models.iter().find(|row| row.name == name).unwrap();
            row.weights.clone().unwrap()
        };
        assert_eq!((answered("random"), answered("directory").as_str()), ("stored".to_owned(), of_directory));
    }
}
