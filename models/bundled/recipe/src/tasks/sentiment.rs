//! Whether a short review is positive or negative. Things reviewed, ways to say it and questions are held out.

use std::sync::LazyLock;

use crate::{
    corpus::{Sample, Split},
    phrasings::Phrasings,
    rng::Rng,
    typing::{as_typed, upper_first},
};

// `{n}` and `{m}` are things, `{g}` a word of the review's own feeling and `{o}` one of the opposite.
static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../data/phrasings/sentiment.txt")));

/// A review with its question; the answer is `positive` or `negative`.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let positive = rng.chance(0.5);
    let review = review(rng, split, positive);
    let question = rng.text(PHRASINGS.of("asked", split)).replace("{r}", &review);
    let question = if split == Split::Train {
        as_typed(rng, &question)
    } else {
        question
    };
    Sample::new(question, if positive { "positive" } else { "negative" })
}

/// A review of one to three sentences that all lean the same way.
pub fn review(rng: &mut Rng, split: Split, positive: bool) -> String {
    let thing = rng.text(PHRASINGS.of("things", split));
    let mut sentences = Vec::new();
    let many = *rng.pick(&[1, 1, 1, 2, 2, 3]);
    while sentences.len() < many {
        let frames = if split == Split::HeldOut && sentences.is_empty() {
            PHRASINGS.of("frames", Split::HeldOut)
        } else {
            match rng.index(10) {
                0..=4 => PHRASINGS.list("frames"),
                5 => PHRASINGS.list("negated"),
                _ if positive => PHRASINGS.list("good sentences"),
                _ => PHRASINGS.list("bad sentences"),
            }
        };
        sentences.push(filled(rng, frames, split, thing, positive));
    }
    sentences.join(" ")
}

fn filled(rng: &mut Rng, frames: &[&str], split: Split, thing: &str, positive: bool) -> String {
    let (good, bad) = (PHRASINGS.list("good"), PHRASINGS.list("bad"));
    let (own, other) = if positive { (good, bad) } else { (bad, good) };
    let feeling = *rng.pick(own);
    rng.pick(frames)
        .replace("{n}", thing)
        .replace("{m}", rng.text(PHRASINGS.of("things", split)))
        .replace("{g2}", rng.text(own))
        .replace("{g}", feeling)
        .replace("{G}", &upper_first(feeling))
        .replace("{o}", rng.text(other))
}
