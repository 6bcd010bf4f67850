//! Whether a short review is positive or negative. Things reviewed, ways to say it and questions are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::{as_typed, lower_first, upper_first};
use crate::corpus::words;
use crate::rng::Rng;

// `{n}` and `{m}` are things, `{g}` a word of the review's own feeling and `{o}` one of the opposite.
static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sentiment.txt")));

// Frames that name the opposite feeling too, which are the hard ones.
static CONTRASTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let frames = PHRASINGS.list("frames").iter().chain(PHRASINGS.list("wide frames"));
    frames.copied().filter(|frame| frame.contains("{o}")).collect()
});

/// A review with its question; the answer is `positive` or `negative`.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let positive = rng.chance(0.5);
    let review = review(rng, split, positive);
    let question = asked(rng, split).replace("{r}", &review);
    let question = if split.trains() { as_typed(rng, &question) } else { question };
    Sample::new(question, if positive { "positive" } else { "negative" })
}

fn asked(rng: &mut Rng, split: Split) -> &'static str {
    let list = match split {
        Split::HeldOut => PHRASINGS.of("asked", split),
        _ => lists(rng, split, "asked"),
    };
    rng.text(list)
}

/// A review of one to three sentences that all lean the same way.
pub fn review(rng: &mut Rng, split: Split, positive: bool) -> String {
    let thing = thing(rng, split);
    let mut sentences = Vec::new();
    let many = *rng.pick(&[1, 1, 1, 2, 2, 3]);
    while sentences.len() < many {
        let first = sentences.is_empty();
        sentences.push(sentence(rng, split, first, &thing, positive));
    }
    sentences.join(" ")
}

fn sentence(rng: &mut Rng, split: Split, first: bool, thing: &str, positive: bool) -> String {
    let kind = if positive { "good sentences" } else { "bad sentences" };
    let frames = if split == Split::HeldOut && first {
        PHRASINGS.of("frames", Split::HeldOut)
    } else {
        match rng.index(10) {
            0..=2 if split.varies() => CONTRASTS.as_slice(),
            3 | 4 if split.varies() => return opened(rng, thing, positive),
            0..=4 => lists(rng, split, "frames"),
            5 => PHRASINGS.list("negated"),
            _ => lists(rng, split, kind),
        }
    };
    let (own, other) = if positive { ("good", "bad") } else { ("bad", "good") };
    let feeling = word(rng, split, own);
    let mut frame = rng.text(frames).to_owned();
    if split.varies() && rng.chance(0.2) {
        frame = format!("{} {}", rng.text(PHRASINGS.list("openers")), lower_first(&frame));
    }
    let other_thing = self::thing(rng, split);
    let (second, opposite) = (word(rng, split, own), word(rng, split, other));
    frame
        .replace("{n}", thing)
        .replace("{m}", &other_thing)
        .replace("{g2}", second)
        .replace("{g}", feeling)
        .replace("{G}", &upper_first(feeling))
        .replace("{o}", opposite)
}

/// A plain judgement behind words that open any sentence and before words that close it, neither of which lean.
fn opened(rng: &mut Rng, thing: &str, positive: bool) -> String {
    let feeling = word(rng, Split::Varied, if positive { "good" } else { "bad" });
    let opener = if rng.chance(0.7) { rng.text(PHRASINGS.list("openers")) } else { "" };
    let closer = if rng.chance(0.5) { rng.text(PHRASINGS.list("closers")) } else { "" };
    let is = rng.text(&["is", "was", "is", "was", "seems", "remains", "has been"]);
    let the = rng.text(&["the", "the", "this", "our", "my"]);
    let sentence = [opener, the, thing, is, feeling, closer]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    format!("{}{}", upper_first(&sentence), rng.text(&[".", ".", ".", "!", ""]))
}

fn word(rng: &mut Rng, split: Split, heading: &str) -> &'static str {
    let list = lists(rng, split, heading);
    rng.text(list)
}

/// A list, or in training half of the time its wider one.
fn lists(rng: &mut Rng, split: Split, heading: &str) -> &'static [&'static str] {
    if split.trains() && rng.chance(0.5) {
        PHRASINGS.list(&format!("wide {heading}"))
    } else {
        PHRASINGS.list(heading)
    }
}

fn thing(rng: &mut Rng, split: Split) -> String {
    if split.varies() && rng.chance(0.5) {
        words::any(rng, split)
    } else if split.trains() && rng.chance(0.3) {
        words::common(rng).to_owned()
    } else {
        rng.text(PHRASINGS.of("things", split)).to_owned()
    }
}
