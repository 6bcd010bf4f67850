//! Pairs of texts that say the same thing in different words, for the pooled representation.
//! The ways to say it are held out; every evaluation pair uses ways that training never saw.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::Split;
use crate::corpus::tasks::capitals::{self, COUNTRIES};
use crate::corpus::tasks::extraction::Record;
use crate::corpus::tasks::{plain_answers, sql_questions};
use crate::corpus::typing::as_typed;
use crate::rng::Rng;

// The headings are numbers; the fields in braces are those of the extractions.
static SAYINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sayings.txt")));

/// What a pair is about: a capital, a thing or command, a question about a table, or one of the sayings.
#[derive(Clone, Copy)]
enum Subject {
    Capital,
    Meaning,
    Table,
    Saying(&'static str),
}

impl Subject {
    fn draw(rng: &mut Rng, split: Split) -> Self {
        match rng.index(10) {
            0 => Self::Capital,
            1 => Self::Meaning,
            2 => Self::Table,
            _ if split.trains() => Self::Saying(rng.text(WIDE_SAYINGS.headings())),
            _ => Self::Saying(rng.text(SAYINGS.headings())),
        }
    }

    fn pair(self, rng: &mut Rng, split: Split) -> (String, String) {
        let (a, b) = match self {
            Self::Capital => capital(rng, split),
            Self::Meaning => plain_answers::asked_twice(rng, split),
            Self::Table => sql_questions::asked_twice(rng, split),
            Self::Saying(heading) => saying(rng, split, heading),
        };
        match split {
            Split::Train | Split::Varied => (roughly(rng, &a), roughly(rng, &b)),
            Split::HeldOut => (a, b),
        }
    }
}

/// Two texts that say the same; typed carelessly at times in the training half.
pub fn pair(rng: &mut Rng, split: Split) -> (String, String) {
    Subject::draw(rng, split).pair(rng, split)
}

// More ways for the same headings, and more headings; training draws from both.
static WIDE_SAYINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sayings_wide.txt")));

/// Training pairs about few subjects, so that the names and numbers in them must tell them apart.
pub fn batch(rng: &mut Rng, split: Split, count: usize) -> Vec<(String, String)> {
    let subjects: Vec<Subject> = (0..count.div_ceil(8)).map(|_| Subject::draw(rng, split)).collect();
    (0..count).map(|_| rng.pick(&subjects).pair(rng, split)).collect()
}

/// `text` as it may be typed, or without some of its small words, so that no way of saying it is needed.
fn roughly(rng: &mut Rng, text: &str) -> String {
    if rng.chance(0.3) {
        let kept: Vec<&str> = text
            .split(' ')
            .filter(|word| !word.bytes().all(|b| b.is_ascii_lowercase()) || !rng.chance(0.25))
            .collect();
        if kept.len() > 1 {
            return kept.join(" ");
        }
    }
    as_typed(rng, text)
}

fn saying(rng: &mut Rng, split: Split, heading: &str) -> (String, String) {
    let record = Record::draw(rng, split);
    let mut ways = SAYINGS.of(heading, split).to_vec();
    if split.trains() {
        ways.extend(WIDE_SAYINGS.list(heading));
    }
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
