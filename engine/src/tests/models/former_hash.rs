//! Adapters made when the hash of a directory did not cover its chat template.

use std::fs;

use futures::StreamExt;
use hyprstream_models::{ContentHash, LoraWeights, Module};
use hyprstream_models_testing::random::lora_weights;

use crate::tests::adapters::base_hash;
use crate::tests::{Bench, ask_random, publish_weights, random_config, write_random};
use crate::{
    AdapterFormat, Error, GenerateRequest, ImportRequest, RestoreSource, TrainRequest, TrainingEvent,
};

fn former_hash(bench: &Bench) -> ContentHash {
    bench.engine.registry.entry(Some("random")).unwrap().files().unwrap().hash_before_templates()
}

fn weights(base: ContentHash) -> LoraWeights {
    lora_weights(&random_config(), base, &Module::ALL, 4, false, 3)
}

fn with(adapter: &str) -> GenerateRequest {
    GenerateRequest { adapter: Some(adapter.to_owned()), ..ask_random("hello", 16) }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_answer_and_can_be_restored_exported_and_trained_on() {
    let bench = Bench::random();
    let engine = &bench.engine;
    let (former, present) = (former_hash(&bench), base_hash(&bench, "random"));
    assert_ne!(former, present);
    publish_weights(engine, "old", "random", &weights(former));
    publish_weights(engine, "new", "random", &weights(present));
    let (old, new) = (with("old"), with("new"));
    let answer = engine.complete(old).await.unwrap();
    assert_eq!(answer.text, engine.complete(new).await.unwrap().text);
    assert_ne!(answer.text, engine.complete(ask_random("hello", 16)).await.unwrap().text);

    let restored = engine.restore_adapter("old", &RestoreSource::Version("1".to_owned())).unwrap();
    assert_eq!((restored.version, restored.base_hash), (2, former.to_string()));
    assert_eq!(engine.complete(with("old@2")).await.unwrap().text, answer.text);

    let path = engine.files_dir().join("old.nvdb");
    engine.export_adapter("old", &path, AdapterFormat::Nvdb).await.unwrap();
    let request =
        ImportRequest { name: "back".to_owned(), path, format: AdapterFormat::Nvdb, base_model: None };
    engine.import_adapter(request).await.unwrap();
    assert_eq!(engine.complete(with("back")).await.unwrap().text, answer.text);

    let request = TrainRequest {
        name: "old".to_owned(),
        base_model: Some("random".to_owned()),
        pairs: vec![("hello".to_owned(), "there".to_owned())],
        epochs: Some(1),
        ..TrainRequest::default()
    };
    let events: Vec<_> = engine.train(request).await.unwrap().map(Result::unwrap).collect().await;
    let published = TrainingEvent::Published { name: "old".to_owned(), version: 3 };
    assert_eq!(events.last(), Some(&published));
    assert_eq!(engine.adapter("old").unwrap().base_hash, present.to_string());
    assert_eq!(engine.complete(with("old@1")).await.unwrap().text, answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_refused_by_another_model() {
    let bench = Bench::random();
    write_random(&bench, "other", 8);
    let former = former_hash(&bench);
    publish_weights(&bench.engine, "old", "random", &weights(former));
    let request = GenerateRequest { model: Some("other".to_owned()), ..with("old") };
    let error = bench.engine.complete(request).await.unwrap_err();
    let Error::BaseMismatch { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected, found), (former.to_string(), base_hash(&bench, "other").to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_answers_recorded_then_still_have_their_texts() {
    let bench = Bench::random();
    let former = former_hash(&bench);
    let known = bench.engine.registry.known_tokenizers();
    for hash in [former, base_hash(&bench, "random")] {
        assert!(known.contains_key(&hash.to_string()));
    }
    fs::write(bench.directory.path().join("models/random/chat_template.jinja"), "{{ messages[0].content }}")
        .unwrap();
    assert_eq!(former_hash(&bench), former);
}
