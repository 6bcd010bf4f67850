//! Additions, subtractions and small products. Pairs of operands and phrasings are held out.

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    typing::as_typed,
};

const ADD: &[&str] = &[
    "What is {a} + {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} =", "{a}+{b}=?", "{a} plus {b}", "What is {a} plus {b}?",
    "Add {a} and {b}.", "Add {a} to {b}.", "Sum of {a} and {b}?", "Calculate {a} + {b}.", "Compute {a}+{b}",
    "How much is {a} + {b}?", "How much is {a} and {b}?", "{a} and {b} together?", "Solve {a} + {b}",
    "I have {a} apples and get {b} more. How many do I have?", "There are {a} red and {b} blue cars. How many cars?",
    "If I add {a} and {b}, what do I get?", "What do {a} and {b} add up to?", "whats {a} + {b}", "the total of {a} and {b}",
    "{a} added to {b} is?", "Evaluate {a} + {b}", "Work out {a} plus {b}.", "Tom has {a} coins, Ann has {b}. How many in total?",
];
const ADD_HELD_OUT: &[&str] =
    &["Please calculate {a} plus {b}.", "What does {a} + {b} make?", "What is the sum of {a} and {b}?", "Add up {a} and {b}", "Compute the sum {a} + {b}."];
const SUBTRACT: &[&str] = &[
    "What is {a} - {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} =", "{a}-{b}=?", "{a} minus {b}", "What is {a} minus {b}?",
    "Subtract {b} from {a}.", "Calculate {a} - {b}.", "Compute {a}-{b}", "How much is {a} - {b}?", "Take {b} from {a}.",
    "The difference of {a} and {b}?", "I had {a} apples and ate {b}. How many are left?", "whats {a} - {b}",
    "{a} take away {b}", "What is left of {a} after taking {b}?", "Evaluate {a} - {b}", "Work out {a} minus {b}.",
    "There were {a} birds and {b} flew away. How many stayed?", "{a} less {b}?",
];
const SUBTRACT_HELD_OUT: &[&str] =
    &["Please calculate {a} minus {b}.", "What does {a} - {b} make?", "How much is {a} minus {b}?", "Compute the difference {a} - {b}."];
const MULTIPLY: &[&str] = &[
    "What is {a} * {b}?", "{a} * {b}", "{a}*{b}", "{a} x {b}", "{a} x {b} =", "{a} times {b}", "What is {a} times {b}?",
    "Multiply {a} by {b}.", "Calculate {a} * {b}.", "How much is {a} x {b}?", "whats {a} * {b}", "The product of {a} and {b}?",
    "Compute {a}*{b}", "{a} multiplied by {b}", "{a} boxes with {b} pens each: how many pens?", "{a} bags of {b} apples, how many apples?",
    "Work out {a} times {b}.",
];
const MULTIPLY_HELD_OUT: &[&str] =
    &["Please calculate {a} times {b}.", "What does {a} * {b} make?", "How much is {a} times {b}?", "Compute the product {a} * {b}."];

/// A sum whose pair of operands belongs to `split`; the small times table is taught whole.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let (kind, a, b) = loop {
        let drawn = draw(rng);
        if drawn.0 == 2 || split.owns(&format!("{drawn:?}")) {
            break drawn;
        }
    };
    let (templates, answer) = match kind {
        0 => (split.of(ADD, ADD_HELD_OUT), a + b),
        1 => (split.of(SUBTRACT, SUBTRACT_HELD_OUT), a - b),
        _ => (split.of(MULTIPLY, MULTIPLY_HELD_OUT), a * b),
    };
    let question = rng.pick(templates).replace("{a}", &a.to_string()).replace("{b}", &b.to_string());
    let question = if split == Split::Train { as_typed(rng, &question) } else { question };
    Sample::new(question, answer.to_string())
}

fn draw(rng: &mut Rng) -> (u32, u32, u32) {
    match rng.index(20) {
        0..=7 => (0, rng.between(1, 99), rng.between(1, 99)),
        8 => (0, rng.between(1, 20), rng.between(1, 20)),
        9..=10 => (0, rng.between(100, 999), rng.between(1, 999)),
        11..=15 => {
            let (a, b) = (rng.between(1, 100), rng.between(0, 99));
            (1, a.max(b), a.min(b))
        }
        16 => {
            let (a, b) = (rng.between(100, 999), rng.between(1, 99));
            (1, a, b)
        }
        _ => (2, rng.between(1, 12), rng.between(1, 12)),
    }
}
