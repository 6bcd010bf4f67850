//! Short plain answers: what things are, what commands do, opposites, what comes next, and who is answering.
//! What is said about a thing is taught for every thing; phrasings are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::{as_typed, lower_first, upper_first};
use crate::rng::Rng;

type Entries = Vec<(&'static str, &'static str)>;

fn entries(text: &'static str) -> Entries {
    text.lines().filter_map(|line| line.split_once('|')).collect()
}

/// Things with what they are.
pub static DEFINITIONS: LazyLock<Entries> =
    LazyLock::new(|| entries(include_str!("../../../data/definitions.txt")));
/// Commands with what they do.
pub static COMMANDS: LazyLock<Entries> =
    LazyLock::new(|| entries(include_str!("../../../data/commands.txt")));
static OPPOSITES: LazyLock<Entries> = LazyLock::new(|| entries(include_str!("../../../data/opposites.txt")));
static TALK: LazyLock<Entries> = LazyLock::new(|| entries(include_str!("../../../data/talk.txt")));

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/plain_answers.txt")));

/// A short question with its plain answer.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let (question, answer) = match rng.index(20) {
        0..=6 => definition(rng, split),
        7..=14 => command(rng, split),
        15..=16 => {
            let (a, b) = *rng.pick(OPPOSITES.as_slice());
            let (x, y) = if rng.chance(0.5) { (a, b) } else { (b, a) };
            (rng.text(PHRASINGS.of("opposite", split)).replace("{x}", x), y.to_owned())
        }
        17..=18 => sequence(rng, split),
        _ if split == Split::HeldOut => definition(rng, split),
        _ => {
            let (question, answer) = *rng.pick(TALK.as_slice());
            (question.to_owned(), answer.to_owned())
        }
    };
    let question = if split.trains() { as_typed(rng, &question) } else { question };
    Sample::new(question, answer)
}

/// `thing` in one of the questions about things.
pub fn ask_what_is(template: &str, thing: &str) -> String {
    template.replace("{x}", thing).replace("{X}", &upper_first(thing)).replace("{b}", bare(thing))
}

fn bare(thing: &str) -> &str {
    ["a ", "an ", "the "].iter().find_map(|article| thing.strip_prefix(article)).unwrap_or(thing)
}

fn definition(rng: &mut Rng, split: Split) -> (String, String) {
    let (thing, meaning) = *rng.pick(DEFINITIONS.as_slice());
    (ask_what_is(rng.text(PHRASINGS.of("what is", split)), thing), meaning.to_owned())
}

fn command(rng: &mut Rng, split: Split) -> (String, String) {
    let (command, effect) = *rng.pick(COMMANDS.as_slice());
    (rng.text(PHRASINGS.of("what does", split)).replace("{x}", command), effect.to_owned())
}

fn sequence(rng: &mut Rng, split: Split) -> (String, String) {
    let items = if rng.chance(0.5) { crate::corpus::words::WEEKDAYS } else { crate::corpus::words::MONTHS };
    let at = rng.index(items.len());
    let next = (at + 1) % items.len();
    if rng.chance(0.6) {
        (rng.text(PHRASINGS.of("next", split)).replace("{x}", items[at]), items[next].to_owned())
    } else {
        (rng.text(PHRASINGS.of("before", split)).replace("{x}", items[next]), items[at].to_owned())
    }
}

/// Two ways to ask for the same thing or command, or one way and its answer.
pub fn asked_twice(rng: &mut Rng, split: Split) -> (String, String) {
    if rng.chance(0.5) {
        let (thing, meaning) = *rng.pick(DEFINITIONS.as_slice());
        let templates = PHRASINGS.of("what is", split);
        let first = ask_what_is(rng.text(templates), thing);
        let second =
            if rng.chance(0.25) { meaning.to_owned() } else { ask_what_is(rng.text(templates), thing) };
        (first, second)
    } else {
        let (command, effect) = *rng.pick(COMMANDS.as_slice());
        let templates = PHRASINGS.of("what does", split);
        let first = rng.text(templates).replace("{x}", command);
        let second =
            if rng.chance(0.25) { lower_first(effect) } else { rng.text(templates).replace("{x}", command) };
        (first, second)
    }
}
