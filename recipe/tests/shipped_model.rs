//! The scores of the shipped weights, asked through llama.cpp as the engine asks. A part of the questions is asked by
//! default; `HYPRSTREAM_FULL=1` asks a thousand a task.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use hyprstream_bundled_recipe::answer::Answerer;
use hyprstream_bundled_recipe::chat::Chat;
use hyprstream_bundled_recipe::evaluate::{self, Score};
use hyprstream_bundled_recipe::rng::Rng;
use hyprstream_bundled_recipe::{Split, Task, tokenizer};

// The seed differs from the one that the model card's scores were drawn with.
const SEED: u64 = 11;

static ANSWERER: LazyLock<Mutex<Answerer>> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("hyprstream-bundled-test");
    Mutex::new(Answerer::try_new(&bundle(), &cache).expect("the shipped model opens"))
});

fn bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundled")
}

fn full() -> bool {
    std::env::var_os("HYPRSTREAM_FULL").is_some_and(|value| value == "1")
}

fn held_out_score(task: Task) -> Score {
    let samples = evaluate::held_out(task, if full() { 1000 } else { 120 }, SEED);
    let mut answerer = ANSWERER.lock().unwrap();
    let (score, misses) = evaluate::score(&mut answerer, task, &samples).unwrap();
    for miss in misses.iter().take(5) {
        println!("{:?}: wanted {:?}, got {:?}", miss.question, miss.wanted, miss.got);
    }
    println!("{task}: {score}");
    score
}

#[test]
fn capitals_are_known_in_phrasings_that_training_never_saw() {
    let score = held_out_score(Task::Capitals);
    assert!(score.ratio() >= 0.95, "{score}");
}

#[test]
fn the_sentiment_of_reviews_that_training_never_saw_is_recognised() {
    let score = held_out_score(Task::Sentiment);
    assert!(score.ratio() >= 0.90, "{score}");
}

#[test]
fn fields_that_training_never_saw_are_extracted_as_valid_and_right_json() {
    let score = held_out_score(Task::Extraction);
    assert!(score.ratio() >= 0.90, "{score}");
}

#[test]
fn the_paraphrase_is_found_first_among_two_hundred() {
    let score = evaluate::paraphrases(&mut ANSWERER.lock().unwrap(), 200, SEED).unwrap();
    println!("paraphrases: {score}");
    assert!(score.ratio() >= 0.80, "{score}");
}

#[test]
fn a_prompt_has_the_tokens_that_training_wrote() {
    let tokenizer = tokenizer::load(&bundle()).unwrap();
    let chat = Chat::try_new(&tokenizer).unwrap();
    let answerer = ANSWERER.lock().unwrap();
    let mut rng = Rng::new(SEED, 0);
    for task in Task::ALL {
        for _ in 0..20 {
            let sample = task.sample(&mut rng, Split::Train);
            let written = chat.question(None, &sample.prompt).unwrap();
            assert_eq!(answerer.prompt(&sample.prompt).unwrap(), written, "{}", sample.prompt);
        }
    }
}

#[test]
fn a_hundred_questions_a_task_are_written_by_hand_and_never_generated() {
    for task in Task::ALL {
        let written = evaluate::written(task).unwrap();
        let questions: HashSet<&str> = written.iter().map(|sample| sample.prompt.as_str()).collect();
        assert_eq!(questions.len(), 100, "{task}");
        let mut rng = Rng::new(SEED, 1);
        let sentiment = written.iter().filter(|sample| sample.answer == "positive").count();
        assert!(task != Task::Sentiment || sentiment == 50, "{sentiment} of 100 are positive");
        for _ in 0..2000 {
            let sample = task.sample(&mut rng, Split::HeldOut);
            assert!(!questions.contains(sample.prompt.as_str()), "{}", sample.prompt);
        }
    }
}

#[test]
fn the_model_fits_into_nine_megabytes() {
    let files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    let bytes: u64 = files.iter().map(|file| std::fs::metadata(bundle().join(file)).unwrap().len()).sum();
    assert!(bytes <= 9_000_000, "{bytes} bytes");
}
