//! What people do to a question when they type it.

use crate::rng::Rng;

const OPENINGS: &[&str] = &[
    "please",
    "hey,",
    "hi,",
    "hello,",
    "quick question:",
    "question:",
    "can you tell me",
    "could you tell me",
    "tell me",
    "i need to know",
    "do you know",
    "just wondering,",
    "ok,",
    "so",
    "um,",
    "well,",
    "hi there,",
    "pls",
    "i was wondering",
    "help me out:",
    "one more:",
    "next question:",
    "i forgot,",
    "sorry,",
];
const CLOSINGS: &[&str] = &[
    "please",
    "thanks",
    "pls",
    "thank you",
    "thx",
    "??",
    "?",
    "!",
    "...",
    "again",
    "really",
    "asap",
    "anyone?",
];

/// `text` as somebody might type it: sometimes lower case, without its final mark, with a slip or a greeting.
pub fn as_typed(rng: &mut Rng, text: &str) -> String {
    let mut text = text.to_owned();
    if rng.chance(0.3) {
        drop_final_mark(&mut text);
    }
    if rng.chance(0.12) {
        text = format!("{} {}", rng.pick(OPENINGS), lower_first(&text));
    }
    if rng.chance(0.08) {
        drop_final_mark(&mut text);
        text = format!("{text} {}", rng.pick(CLOSINGS));
    }
    if rng.chance(0.12) {
        text = with_slip(rng, &text);
    }
    if rng.chance(0.35) {
        text = text.to_lowercase();
    } else if rng.chance(0.03) {
        text = text.to_uppercase();
    }
    text
}

/// The light form for texts whose words must be copied: only the final mark may go.
pub fn lightly(rng: &mut Rng, text: &str) -> String {
    let mut text = text.to_owned();
    if rng.chance(0.25) {
        drop_final_mark(&mut text);
    }
    text
}

/// `text` with its first letter in lower case, unless its first word is a name in capitals or `I`.
pub fn lower_first(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    if first.len() > 1 && first.chars().skip(1).any(char::is_uppercase) || first == "I" {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

/// `text` with its first letter in upper case.
pub fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn drop_final_mark(text: &mut String) {
    while text.ends_with(['?', '.', '!']) {
        text.pop();
    }
}

/// One slip in one longer word: a letter lost, doubled or swapped with the next one.
pub fn with_slip(rng: &mut Rng, text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let at = rng.index(words.len());
    let word = &mut words[at];
    if word.len() >= 4 && word.bytes().all(|b| b.is_ascii_alphabetic()) {
        let i = 1 + rng.index(word.len() - 2);
        match rng.index(4) {
            0 => {
                word.remove(i);
            }
            1 => {
                let letter = word.as_bytes()[i] as char;
                word.insert(i, letter);
            }
            2 => {
                let letter = *rng.pick(b"aeiorstln") as char;
                word.replace_range(i..=i, &letter.to_string());
            }
            _ => {
                let letter = word.remove(i);
                word.insert(i + 1, letter);
            }
        }
    }
    words.join(" ")
}
