//! Additions, subtractions and small products. Pairs of operands and phrasings are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::as_typed;
use crate::rng::Rng;

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sums.txt")));

/// A sum whose pair of operands belongs to `split`; the small times table is taught whole.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let (kind, a, b) = loop {
        let drawn = draw(rng);
        if drawn.0 == 2 || split.owns(&format!("{drawn:?}")) {
            break drawn;
        }
    };
    let (heading, answer) = match kind {
        0 => ("add", a + b),
        1 => ("subtract", a - b),
        _ => ("multiply", a * b),
    };
    let question =
        rng.text(PHRASINGS.of(heading, split)).replace("{a}", &a.to_string()).replace("{b}", &b.to_string());
    let question = if split.trains() { as_typed(rng, &question) } else { question };
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
