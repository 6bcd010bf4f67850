//! What the generators promise: the same samples from the same seed, and nothing held out in training.

use std::collections::HashSet;

use hyprstream_bundled_recipe::corpus::tasks::capitals::COUNTRIES;
use hyprstream_bundled_recipe::corpus::tasks::paraphrases;
use hyprstream_bundled_recipe::corpus::{self, Mixture};
use hyprstream_bundled_recipe::rng::Rng;
use hyprstream_bundled_recipe::{Split, Task, tokenizer};

#[test]
fn a_seed_determines_every_sample() {
    let draw = |seed| {
        let mut rng = Rng::new(seed, 0);
        (0..500).map(|_| corpus::mixed(&mut rng, Mixture::First)).collect::<Vec<_>>()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
}

#[test]
fn the_second_part_of_a_run_draws_more_of_what_is_learnt_slowest() {
    let reviews = |mixture| {
        let mut rng = Rng::new(8, 0);
        let samples = (0..20_000).map(|_| corpus::mixed(&mut rng, mixture).answer);
        samples.filter(|answer| answer == "positive" || answer == "negative").count()
    };
    let counts = [Mixture::First, Mixture::Second].map(reviews);
    assert!(counts.is_sorted() && counts[0] > 1_000, "{counts:?}");
}

#[test]
fn held_out_questions_never_occur_in_training() {
    for task in Task::ALL {
        let mut rng = Rng::new(3, 0);
        let held_out: HashSet<String> =
            (0..300).map(|_| task.sample(&mut rng, Split::HeldOut).prompt.to_lowercase()).collect();
        for index in 0..40_000 {
            let split = [Split::Train, Split::Varied][index % 2];
            let question = task.sample(&mut rng, split).prompt.to_lowercase();
            assert!(!held_out.contains(&question), "{task}: {question}");
        }
    }
}

#[test]
fn extractions_answer_with_json_whose_values_stand_in_the_question() {
    let mut rng = Rng::new(4, 0);
    for split in [Split::Train, Split::Varied, Split::HeldOut] {
        for _ in 0..2000 {
            let sample = Task::Extraction.sample(&mut rng, split);
            let fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&sample.answer).expect("an answer is a JSON object");
            assert!(!fields.is_empty());
            for value in fields.values().filter_map(serde_json::Value::as_str) {
                assert!(sample.prompt.contains(value), "{sample:?}");
            }
        }
    }
}

#[test]
fn sums_and_conversions_are_right() {
    let mut rng = Rng::new(6, 0);
    let plain = |prompt: &str, sign: char| {
        let (a, b) = prompt.split_once(sign)?;
        Some((a.trim().parse::<i64>().ok()?, b.trim().parse::<i64>().ok()?))
    };
    let mut checked = 0;
    for _ in 0..5000 {
        let sample = Task::Sums.sample(&mut rng, Split::Train);
        let answer: i64 = sample.answer.parse().unwrap();
        for (sign, result) in
            [('+', i64::checked_add as fn(i64, i64) -> _), ('-', i64::checked_sub), ('*', i64::checked_mul)]
        {
            if let Some((a, b)) = plain(&sample.prompt, sign) {
                assert_eq!(result(a, b), Some(answer), "{}", sample.prompt);
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} plain sums");
}

#[test]
fn every_country_has_a_capital_of_its_own() {
    assert_eq!(COUNTRIES.len(), 196);
    let capitals: HashSet<&str> = COUNTRIES.iter().map(|country| country.capital).collect();
    assert_eq!(capitals.len(), COUNTRIES.len());
    assert!(COUNTRIES.iter().all(|country| !country.language.is_empty()));
}

#[test]
fn a_batch_of_pairs_is_about_few_subjects_and_never_pairs_different_contents() {
    let mut rng = Rng::new(7, 0);
    let pairs = paraphrases::batch(&mut rng, Split::Train, 48);
    assert_eq!(pairs.len(), 48);
    for (a, b) in pairs {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<HashSet<_>>();
        // Both say the same, so a number in one is in the other, whatever the way.
        assert_eq!(digits(&a), digits(&b), "{a} / {b}");
    }
}

fn shipped_tokenizer() -> tokenizers::Tokenizer {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundled");
    tokenizer::load(&dir).unwrap()
}

#[test]
fn the_tokenizer_is_the_one_that_the_seed_gives() {
    let trained = tokenizer::train(1).unwrap();
    assert_eq!(trained.get_vocab(true), shipped_tokenizer().get_vocab(true));
}

#[test]
fn the_shipped_tokenizer_gives_every_text_back() {
    let shipped = shipped_tokenizer();
    for text in ["Zorvak from Ulm, 37", "naïve ☃ 12.50€\n\ttabs", "SELECT count(*) FROM t"] {
        let ids = shipped.encode(text, false).unwrap().get_ids().to_vec();
        assert_eq!(shipped.decode(&ids, false).unwrap(), text);
    }
}

#[test]
fn digits_stand_alone_and_a_word_has_the_same_tokens_wherever_it_stands() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundled");
    let tokenizer = tokenizer::load(&dir).unwrap();
    let tokens = |text: &str| tokenizer.encode(text, false).unwrap().get_tokens().to_vec();
    assert_eq!(tokens("1234"), ["1", "2", "3", "4"]);
    for word in ["Quxaron", "librarian", "violins"] {
        let alone = tokens(word);
        for text in [format!("by {word}"), format!("\"{word}\""), format!("({word})")] {
            let found = tokens(&text).windows(alone.len()).any(|window| window == alone);
            assert!(found, "{text}: {:?}", tokens(&text));
        }
    }
}
