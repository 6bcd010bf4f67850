//! Files that are written over, cut off, replaced, damaged and removed while they answer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use hyprstream_models::{Architecture, ContentHash, ModelFiles, Module, WeightType};
use hyprstream_models_testing::random::{lora_weights, small_config, write_model_dir};

use crate::options::WeightPreference;
use crate::tests::{Bench, ask, ask_random, eventually, publish_weights, tokens, write_random};
use crate::{Completion, Engine, Error, GenerateRequest, Generation, ModelRow, TrainRequest, TrainingEvent};

const LENGTH: u32 = 300;

/// The bytes of a GGUF file of random weights.
fn gguf(seed: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    write_model_dir(&source, &small_config(Architecture::Qwen3), seed).unwrap();
    let files = ModelFiles::open(&source).unwrap();
    fs::read(files.gguf(directory.path(), WeightType::F32).unwrap()).unwrap()
}

/// An engine whose model `random` is one GGUF file.
fn of_one_file(seed: u64) -> (Bench, PathBuf) {
    let bench = Bench::new();
    let path = bench.directory.path().join("models/random.gguf");
    fs::write(&path, gguf(seed)).unwrap();
    (bench, path)
}

/// Writes over a file without making another one, as `cp` does.
fn overwrite(path: &Path, bytes: &[u8]) {
    File::options().write(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
}

async fn started(engine: &Engine) -> Generation {
    let mut generation = engine.generate(ask_random("on and on", LENGTH)).await.unwrap();
    for _ in 0..5 {
        generation.next().await.unwrap().unwrap();
    }
    generation
}

async fn finished(mut generation: Generation) -> Completion {
    while let Some(token) = generation.next().await {
        token.unwrap();
    }
    generation.completion().cloned().unwrap()
}

async fn answer(engine: &Engine) -> Completion {
    engine.complete(ask_random("on and on", LENGTH)).await.unwrap()
}

fn row(engine: &Engine, name: &str) -> ModelRow {
    engine.models().unwrap().into_iter().find(|row| row.name == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_with_the_old_file_and_the_next_one_gets_the_new() {
    let (bench, path) = of_one_file(1);
    let engine = &bench.engine;
    let (one, two) = (gguf(1), gguf(2));
    let hashes = [&one, &two].map(|bytes| ContentHash::of(bytes).to_string());
    let first = answer(engine).await;
    assert_eq!(row(engine, "random").hash, hashes[0]);

    let running = started(engine).await;
    overwrite(&path, &two);
    let second = answer(engine).await;
    assert_ne!(second.text, first.text);
    assert_ne!(second.provenance, first.provenance);
    let shown = row(engine, "random");
    assert_eq!((shown.hash.as_str(), shown.loaded), (hashes[1].as_str(), true));
    let kept = finished(running).await;
    assert_eq!((kept.text, kept.provenance), (first.text.clone(), first.provenance.clone()));

    // By another file of the same name.
    let running = started(engine).await;
    fs::write(path.with_extension("new"), &one).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    let shown = row(engine, "random");
    assert_eq!((shown.hash.as_str(), shown.loaded), (hashes[0].as_str(), false));
    let third = answer(engine).await;
    assert_eq!((third.text, third.provenance), (first.text, first.provenance));
    assert_eq!(finished(running).await.text, second.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_ends_no_answer_and_begins_none() {
    let (bench, path) = of_one_file(1);
    let engine = &bench.engine;
    let first = answer(engine).await;
    let running = started(engine).await;
    overwrite(&path, &gguf(1)[..10_000]);
    let refused = |error: Error| {
        assert!(matches!(&error, Error::InvalidModel { file, .. } if *file == path), "{error}");
    };
    refused(engine.complete(ask_random("on and on", 4)).await.unwrap_err());
    refused(engine.tokenize("text", Some("random")).unwrap_err());
    assert!(row(engine, "random").error.is_some());
    assert_eq!(finished(running).await.text, first.text);

    fs::remove_file(&path).unwrap();
    let error = engine.complete(ask_random("on and on", 4)).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownModel { name, .. } if name == "random"), "{error}");
    // Elsewhere under the same name.
    let moved = bench.directory.path().join("models/random");
    fs::create_dir(&moved).unwrap();
    fs::write(moved.join("weights.gguf"), gguf(1)).unwrap();
    assert_eq!(answer(engine).await.text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_trains_on_when_the_file_of_its_base_is_cut_off() {
    let (bench, path) = of_one_file(1);
    let request = |name: &str| TrainRequest {
        name: name.to_owned(),
        base_model: Some("random".to_owned()),
        pairs: vec![("hello".to_owned(), "there".to_owned())],
        epochs: Some(30),
        ..TrainRequest::default()
    };
    let mut undisturbed = bench.engine.train(request("a")).await.unwrap();
    while let Some(event) = undisturbed.next().await {
        event.unwrap();
    }
    let mut run = bench.engine.train(request("b")).await.unwrap();
    run.next().await.unwrap().unwrap();
    overwrite(&path, b"GGUF");
    let mut last = None;
    while let Some(event) = run.next().await {
        last = Some(event.unwrap());
    }
    assert_eq!(last, Some(TrainingEvent::Published { name: "b".to_owned(), version: 1 }));
    let hash = |name| bench.engine.adapter(name).unwrap().hash;
    assert_eq!(hash("a"), hash("b"));
    assert!(matches!(bench.engine.train(request("c")).await, Err(Error::InvalidModel { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_only_touched_is_not_loaded_again() {
    let (bench, path) = of_one_file(1);
    let first = answer(&bench.engine).await;
    let runtime = bench.engine.registry.runtime(Some("random")).await.unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let again = answer(&bench.engine).await;
    assert_eq!((again.text, again.provenance), (first.text, first.provenance));
    let now = bench.engine.registry.runtime(Some("random")).await.unwrap();
    assert!(Arc::ptr_eq(&runtime, &now));
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_of_the_file_that_was_there_before_are_refused() {
    let (bench, path) = of_one_file(1);
    let base = ContentHash::of(&gguf(1));
    let config = small_config(Architecture::Qwen3);
    let weights = lora_weights(&config, base, &[Module::QProj], 4, false, 3);
    publish_weights(&bench.engine, "a", "random", &weights);
    let request = || GenerateRequest { adapter: Some("a".to_owned()), ..ask_random("hello", 8) };
    let first = bench.engine.complete(request()).await.unwrap();
    overwrite(&path, &gguf(2));
    let error = bench.engine.complete(request()).await.unwrap_err();
    let Error::BaseMismatch { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected, found), (base.to_string(), ContentHash::of(&gguf(2)).to_string()));
    overwrite(&path, &gguf(1));
    assert_eq!(bench.engine.complete(request()).await.unwrap().text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_and_the_weights_of_a_directory_are_noticed_too() {
    let bench = Bench::random();
    let directory = bench.directory.path().join("models/random");
    let first = answer(&bench.engine).await;
    let settings = fs::read_to_string(directory.join("tokenizer_config.json")).unwrap();
    fs::write(directory.join("tokenizer_config.json"), settings.replace("assistant", "machine")).unwrap();
    let second = answer(&bench.engine).await;
    assert_ne!(second.provenance, first.provenance);
    let mut weights = fs::read(directory.join("model.safetensors")).unwrap();
    let last = weights.len() - 1;
    weights[last] ^= 1;
    overwrite(&directory.join("model.safetensors"), &weights);
    let third = answer(&bench.engine).await;
    assert_ne!(third.provenance, second.provenance);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_the_answers_of_a_file_that_was_replaced() {
    let (bench, path) = of_one_file(1);
    let mut running = started(&bench.engine).await;
    overwrite(&path, &gguf(2));
    answer(&bench.engine).await;
    bench.engine.close().unwrap();
    let mut last = Ok(());
    while let Some(token) = running.next().await {
        last = token.map(drop);
    }
    assert!(matches!(last, Err(Error::Cancelled)) || running.completion().is_some());
    drop(running);
    eventually("the end of the old model", || bench.engine.registry.loaded().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_rests_gives_only_answers_of_one_of_its_contents() {
    let (bench, path) = of_one_file(1);
    let engine = &bench.engine;
    let mut expected = vec![answer(engine).await.text];
    overwrite(&path, &gguf(2));
    expected.push(answer(engine).await.text);
    let contents = [gguf(1), gguf(2)];
    let stop = AtomicBool::new(false);
    let mut answers = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                overwrite(&path, &contents[turn % 2]);
                thread::sleep(Duration::from_millis(30 * (turn as u64 % 7)));
            }
        });
        let asked = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut texts = Vec::new();
                for _ in 0..30 {
                    texts.push(engine.complete(ask_random("on and on", LENGTH)).await);
                }
                texts
            })
        });
        stop.store(true, Ordering::Relaxed);
        for answer in asked {
            match answer {
                Ok(answer) => {
                    assert!(expected.contains(&answer.text));
                    answers += 1;
                }
                Err(error) => assert!(matches!(error, Error::InvalidModel { .. }), "{error}"),
            }
        }
    });
    assert!(answers > 0, "every request met a file in motion");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundled_model_is_repaired_while_it_runs_and_at_a_start() {
    let bench = Bench::new();
    let path = bench.directory.path().join("models/bundled/model.safetensors");
    let whole = fs::read(&path).unwrap();
    let first = bench.engine.complete(ask("What is the capital of Peru?", 8)).await.unwrap();
    let mut damaged = whole.clone();
    damaged[4_000_000] ^= 64;
    overwrite(&path, &damaged);
    let again = bench.engine.complete(ask("What is the capital of Peru?", 8)).await.unwrap();
    assert_eq!((&again.text, &again.provenance), (&first.text, &first.provenance));
    assert!(fs::read(&path).unwrap() == whole);
    overwrite(&path, &damaged);
    let bench = bench.reopen();
    assert!(fs::read(&path).unwrap() == whole);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let again = bench.engine.complete(ask("What is the capital of Peru?", 8)).await.unwrap();
    assert_eq!((again.text, again.provenance), (first.text, first.provenance));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_numbers_are_part_of_the_provenance() {
    let mut seen = BTreeSet::new();
    for weights in
        [WeightPreference::F32, WeightPreference::F16, WeightPreference::Bf16, WeightPreference::Q8_0]
    {
        let bench = Bench::with(|options| options.weights = weights);
        write_random(&bench, "random", 7);
        let (_, first) = tokens(&bench.engine, ask_random("The same", 4)).await;
        let (_, second) = tokens(&bench.engine, ask_random("The same", 4)).await;
        assert_eq!(first.provenance, second.provenance);
        assert!(seen.insert(first.provenance), "{weights:?}");
    }
}
