//! Saying back what is in the question. It is asked for its own sake by few, but what is learnt here, to copy any
//! token from anywhere, is what extraction and SQL need.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::tasks::plain_answers::{COMMANDS, DEFINITIONS};
use crate::corpus::typing::upper_first;
use crate::corpus::words;
use crate::rng::Rng;

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/repeats.txt")));

/// A text to be said back, or the question what follows a word of it; always of the training half.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let count = rng.between(1, if split.varies() { 14 } else { 9 }) as usize;
    let words: Vec<String> = (0..count).map(|_| word(rng, split)).collect();
    let text = words.join(rng.text(&[" ", " ", ", ", "; ", " / "]));
    if count > 2 && rng.chance(0.35) {
        let at = rng.index(count - 1);
        // A word that stands twice would have two right answers.
        if words.iter().filter(|word| **word == words[at]).count() == 1 {
            let question = rng.text(PHRASINGS.list("after")).replace("{w}", &words[at]).replace("{t}", &text);
            return Sample::new(question, words[at + 1].as_str());
        }
    }
    Sample::new(rng.text(PHRASINGS.list("repeat")).replace("{t}", &text), text)
}

fn word(rng: &mut Rng, split: Split) -> String {
    if split.varies() && rng.chance(0.75) {
        return if rng.chance(0.35) { words::pieced_name(rng) } else { words::pieced(rng) };
    }
    match rng.index(12) {
        0..=3 => words::common(rng).to_owned(),
        4 => upper_first(words::common(rng)),
        5 => words::invented(rng),
        6 => upper_first(&words::invented(rng)),
        7 => words::price(rng),
        8 => rng.between(0, 999).to_string(),
        9 => words::email(rng, Split::Train),
        10 if rng.chance(0.5) => words::person(rng, Split::Train),
        10 => words::date(rng),
        _ => {
            let (name, meaning) = if rng.chance(0.5) {
                *rng.pick(DEFINITIONS.as_slice())
            } else {
                *rng.pick(COMMANDS.as_slice())
            };
            let text = if rng.chance(0.5) { name } else { meaning };
            let words: Vec<&str> = text.split(' ').collect();
            (*rng.pick(&words)).to_owned()
        }
    }
}
