//! Short plain answers: what things are, what commands do, opposites, what comes next, and who is answering.
//! What is said about a thing is taught for every thing; phrasings are held out.

use std::sync::LazyLock;

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    typing::{as_typed, lower_first, upper_first},
};

type Entries = Vec<(&'static str, &'static str)>;

fn entries(text: &'static str) -> Entries {
    text.lines().filter_map(|line| line.split_once('|')).collect()
}

/// Things with what they are.
pub static DEFINITIONS: LazyLock<Entries> =
    LazyLock::new(|| entries(include_str!("../../data/definitions.txt")));
/// Commands with what they do.
pub static COMMANDS: LazyLock<Entries> = LazyLock::new(|| entries(include_str!("../../data/commands.txt")));
static OPPOSITES: LazyLock<Entries> = LazyLock::new(|| entries(include_str!("../../data/opposites.txt")));
static TALK: LazyLock<Entries> = LazyLock::new(|| entries(include_str!("../../data/talk.txt")));

const WHAT_IS: &[&str] = &[
    "What is {x}?", "What's {x}?", "Define {x}.", "Define {b}.", "Explain {x}.", "Explain what {x} is.", "Describe {x}.", "Describe {x} in one line.",
    "What does {b} mean?", "What is meant by {b}?", "Meaning of {b}?", "{b}: definition?", "{b}: meaning?", "{b}?", "{b}", "{b} definition", "{b} meaning",
    "Tell me what {x} is.", "Tell me about {x}.", "In one line, what is {x}?", "In a few words, what is {x}?", "In short: {x}?", "What exactly is {x}?",
    "Can you explain {x}?", "Could you tell me what {x} is?", "Do you know what {x} is?", "How would you describe {x}?", "How do you define {b}?",
    "I don't know what {x} is.", "What would you call {x}?", "What kind of thing is {x}?", "Give a short definition of {b}.", "Definition of {b}?",
    "Word: {b}. Meaning?", "Explain the word {b}.", "Explain {b} to a child.", "Help me understand {x}.", "What are we talking about when we say {b}?",
    "What do people mean by {b}?", "Briefly, {x} is what?", "{X} is what?", "{X} is ...", "{X} - what is that?", "Look up {b}.", "Dictionary entry for {b}?",
    "So what is {x} really?", "Short answer: what is {x}?", "Summarise {x} in one line.", "Write one line about {x}.", "Complete: {x} is",
];
const WHAT_IS_HELD_OUT: &[&str] = &[
    "Please explain what {x} is.", "Give me a definition of {b}.", "What is the meaning of {b}?", "Describe {x} in a few words.", "In one sentence, what is {x}?",
    "Would you tell me what {x} is?",
];
const WHAT_DOES: &[&str] = &[
    "What does {x} do?", "What does the {x} command do?", "What does the command {x} do?", "What is {x} for?", "What is {x} used for?", "What's {x} for?",
    "Describe {x}.", "Describe {x} in one line.", "Describe the {x} command.", "Describe the command {x}.", "Explain {x}.", "Explain the {x} command.",
    "Explain what {x} does.", "Tell me what {x} does.", "Tell me about {x}.", "Tell me about the {x} command.", "In one line, what is {x}?", "In one line, what does {x} do?",
    "In a few words, what does {x} do?", "In short, {x}?", "{x}", "{x}?", "{x}: what does it do?", "{x}: purpose?", "{x}: description", "{x} - what is it for?", "{x} meaning",
    "{x} does what?", "{x} description", "{x} help", "help {x}", "help on {x}", "help me with {x}", "\\h {x}", "man {x}", "Purpose of {x}?", "What is the purpose of {x}?",
    "What is the use of {x}?", "Use of {x}?", "When do I use {x}?", "When would I use {x}?", "Why would I use {x}?", "Why use {x}?", "What can I do with {x}?",
    "What happens when I run {x}?", "What happens if I run {x}?", "What will {x} do?", "If I type {x}, what happens?", "I ran {x}, what did it do?", "I typed {x}. What does it do?",
    "Can you explain {x}?", "Could you explain what {x} does?", "Can you tell me what {x} does?", "Do you know what {x} does?", "How would you describe {x}?", "Give a one line description of {x}.",
    "Give me the description of {x}.", "One line summary of {x}?", "Summarise {x}.", "Summary of {x}?", "What is {x}?", "What's {x}?", "Which task does {x} perform?", "What job does {x} do?",
    "I need to know what {x} is for.", "Someone used {x}. What is it for?", "Command: {x}. What does it do?", "Command: {x}\nDescription:", "Documentation of {x}?", "docs for {x}",
    "Look up {x}.", "What action does {x} take?", "The effect of {x}?", "What is the effect of {x}?", "Briefly, what does {x} do?", "Say in one line what {x} does.", "Define {x}.", "the {x} command is for what?",
    "Quick reminder: {x}?", "Remind me what {x} does.", "What was {x} for again?", "How does {x} help me?", "For what is {x} used?", "Write one line about {x}.", "Short answer: what does {x} do?",
];
const WHAT_DOES_HELD_OUT: &[&str] = &[
    "Please explain what the {x} command does.", "What is the {x} command for?", "Give a short description of {x}.", "In one sentence, what does {x} do?", "What would {x} do?",
    "Would you tell me what {x} is used for?", "What is the command {x} used for?", "Please describe {x}.",
];
const OPPOSITE: &[&str] = &[
    "What is the opposite of {x}?", "Opposite of {x}?", "The opposite of {x} is?", "{x}: opposite?", "What's the opposite of {x}?", "Name the opposite of {x}.", "antonym of {x}",
    "Give me the opposite of {x}.", "Which word is the opposite of {x}?", "opposite {x}", "If it is not {x}, it is?", "Not {x} but ...", "What word means the reverse of {x}?",
];
const OPPOSITE_HELD_OUT: &[&str] = &["Tell me the opposite of {x}.", "What would be the opposite of {x}?", "What is the antonym of {x}?"];
const NEXT: &[&str] = &[
    "What comes after {x}?", "What is after {x}?", "What follows {x}?", "Which one comes after {x}?", "{x}, and then?", "after {x} comes", "What's next after {x}?", "{x} is followed by what?", "Name what comes after {x}.",
];
const NEXT_HELD_OUT: &[&str] = &["Tell me what comes after {x}.", "{x} comes before what?"];
const BEFORE: &[&str] = &["What comes before {x}?", "What is before {x}?", "What precedes {x}?", "Which one comes before {x}?", "before {x} comes", "Name what comes before {x}."];
const BEFORE_HELD_OUT: &[&str] = &["Tell me what comes before {x}."];

/// A short question with its plain answer.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let (question, answer) = match rng.index(20) {
        0..=6 => definition(rng, split),
        7..=14 => command(rng, split),
        15..=16 => {
            let (a, b) = *rng.pick(OPPOSITES.as_slice());
            let (x, y) = if rng.chance(0.5) { (a, b) } else { (b, a) };
            (rng.text(split.of(OPPOSITE, OPPOSITE_HELD_OUT)).replace("{x}", x), y.to_owned())
        }
        17..=18 => sequence(rng, split),
        _ if split == Split::HeldOut => definition(rng, split),
        _ => {
            let (question, answer) = *rng.pick(TALK.as_slice());
            (question.to_owned(), answer.to_owned())
        }
    };
    let question = if split == Split::Train { as_typed(rng, &question) } else { question };
    Sample::new(question, answer)
}

/// `thing` in one of the questions about things.
pub fn ask_what_is(template: &str, thing: &str) -> String {
    template
        .replace("{x}", thing)
        .replace("{X}", &upper_first(thing))
        .replace("{b}", bare(thing))
}

fn bare(thing: &str) -> &str {
    ["a ", "an ", "the "].iter().find_map(|article| thing.strip_prefix(article)).unwrap_or(thing)
}

fn definition(rng: &mut Rng, split: Split) -> (String, String) {
    let (thing, meaning) = *rng.pick(DEFINITIONS.as_slice());
    (ask_what_is(rng.text(split.of(WHAT_IS, WHAT_IS_HELD_OUT)), thing), meaning.to_owned())
}

fn command(rng: &mut Rng, split: Split) -> (String, String) {
    let (command, effect) = *rng.pick(COMMANDS.as_slice());
    (rng.text(split.of(WHAT_DOES, WHAT_DOES_HELD_OUT)).replace("{x}", command), effect.to_owned())
}

fn sequence(rng: &mut Rng, split: Split) -> (String, String) {
    let items = if rng.chance(0.5) { crate::words::WEEKDAYS } else { crate::words::MONTHS };
    let at = rng.index(items.len());
    let next = (at + 1) % items.len();
    if rng.chance(0.6) {
        (rng.text(split.of(NEXT, NEXT_HELD_OUT)).replace("{x}", items[at]), items[next].to_owned())
    } else {
        (rng.text(split.of(BEFORE, BEFORE_HELD_OUT)).replace("{x}", items[next]), items[at].to_owned())
    }
}

/// Two ways to ask for the same thing or command, or one way and its answer.
pub fn asked_twice(rng: &mut Rng, split: Split) -> (String, String) {
    if rng.chance(0.5) {
        let (thing, meaning) = *rng.pick(DEFINITIONS.as_slice());
        let templates = split.of(WHAT_IS, WHAT_IS_HELD_OUT);
        let first = ask_what_is(rng.text(templates), thing);
        let second = if rng.chance(0.25) { meaning.to_owned() } else { ask_what_is(rng.text(templates), thing) };
        (first, second)
    } else {
        let (command, effect) = *rng.pick(COMMANDS.as_slice());
        let templates = split.of(WHAT_DOES, WHAT_DOES_HELD_OUT);
        let first = rng.text(templates).replace("{x}", command);
        let second =
            if rng.chance(0.25) { lower_first(effect) } else { rng.text(templates).replace("{x}", command) };
        (first, second)
    }
}
