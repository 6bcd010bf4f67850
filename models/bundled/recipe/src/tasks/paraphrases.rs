//! Pairs of texts that say the same thing in different words, for the pooled representation.
//! The ways to say it are held out; every evaluation pair uses ways that training never saw.

use std::sync::LazyLock;

use crate::{
    corpus::Split,
    phrasings::Phrasings,
    rng::Rng,
    tasks::{
        capitals::{self, COUNTRIES},
        extraction::Record,
        plain_answers, sql_questions,
    },
    typing::as_typed,
};

// The headings are numbers; the fields in braces are those of the extractions.
static SAYINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../data/phrasings/sayings.txt")));

/// Two texts that say the same; typed carelessly at times in the training half.
pub fn pair(rng: &mut Rng, split: Split) -> (String, String) {
    let (a, b) = match rng.index(10) {
        0 => capital(rng, split),
        1 => plain_answers::asked_twice(rng, split),
        2 => sql_questions::asked_twice(rng, split),
        _ => saying(rng, split),
    };
    match split {
        Split::Train => (as_typed(rng, &a), as_typed(rng, &b)),
        Split::HeldOut => (a, b),
    }
}

fn saying(rng: &mut Rng, split: Split) -> (String, String) {
    let saying = rng.text(SAYINGS.headings());
    let record = Record::draw(rng, split);
    let ways = SAYINGS.of(saying, split);
    let first = rng.index(ways.len());
    let second = (first + 1 + rng.index(ways.len() - 1)) % ways.len();
    (record.fill(ways[first]), record.fill(ways[second]))
}

fn capital(rng: &mut Rng, split: Split) -> (String, String) {
    let country = rng.pick(COUNTRIES.as_slice());
    let a = capitals::fill(rng.text(capitals::phrasings(split)), country);
    let b = if rng.chance(0.2) {
        format!("{} is the capital of {}.", country.capital, country.name)
    } else {
        capitals::fill(rng.text(capitals::phrasings(split)), country)
    };
    (a, b)
}
