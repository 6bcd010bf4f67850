//! Fields of a sentence as JSON, in a fixed order of keys, copied as they are written. Sentences, questions
//! and every name and place of the evaluation are held out.

use std::sync::LazyLock;

use crate::{
    corpus::{Sample, Split},
    phrasings::Phrasings,
    rng::Rng,
    typing::lightly,
    words,
};

/// The keys in the order in which answers have them; numbers are written without quotes.
const KEYS: &[(&str, bool)] = &[
    ("name", false),
    ("age", true),
    ("job", false),
    ("company", false),
    ("quantity", true),
    ("item", false),
    ("price", true),
    ("city", false),
    ("date", false),
    ("email", false),
];

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../data/phrasings/extraction.txt")));

/// The values that a sentence is filled with, in the order of [`KEYS`].
pub struct Record(Vec<(&'static str, bool, String)>);

impl Record {
    /// Random values for every key.
    pub fn draw(rng: &mut Rng, split: Split) -> Self {
        let values = [
            words::person(rng, split),
            rng.between(18, 90).to_string(),
            job(rng, split),
            company(rng, split),
            rng.between(2, 60).to_string(),
            words::goods(rng, split),
            words::price(rng),
            words::city(rng, split),
            words::date(rng),
            words::email(rng, split),
        ];
        Self(
            KEYS.iter()
                .zip(values)
                .map(|(&(key, number), value)| (key, number, value))
                .collect(),
        )
    }

    /// `template` with its `{key}` filled in.
    pub fn fill(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (key, _, value)| {
            text.replace(&format!("{{{key}}}"), value)
        })
    }

    fn lower_case(&mut self) {
        for (_, _, value) in &mut self.0 {
            *value = value.to_lowercase();
        }
    }

    fn json(&self, wanted: &[&str]) -> String {
        let fields: Vec<String> = self
            .0
            .iter()
            .filter(|(key, ..)| wanted.contains(key))
            .map(|(key, number, value)| {
                if *number {
                    format!("\"{key}\": {value}")
                } else {
                    format!("\"{key}\": \"{value}\"")
                }
            })
            .collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// The list under `heading`, or in training half of the time its wider one.
fn list(rng: &mut Rng, split: Split, heading: &str) -> &'static [&'static str] {
    if split.trains() && rng.chance(0.5) {
        PHRASINGS.list(&format!("wide {heading}"))
    } else {
        PHRASINGS.of(heading, split)
    }
}

fn job(rng: &mut Rng, split: Split) -> String {
    let word = if split.trains() && rng.chance(0.6) {
        words::common(rng)
    } else {
        rng.text(PHRASINGS.of("jobs", split))
    };
    word.to_owned()
}

fn company(rng: &mut Rng, split: Split) -> String {
    let first = words::city(rng, split);
    let second = *rng.pick(&[
        "",
        "",
        " Labs",
        " Foods",
        " Group",
        " Motors",
        " Bank",
        " Software",
        " Ltd",
    ]);
    format!("{first}{second}")
}

/// A sentence, the fields asked for, and the JSON that has them.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let templates = list(rng, split, "sentences");
    let template = rng.text(templates);
    let mut record = Record::draw(rng, split);
    let lower = split.trains() && rng.chance(0.25);
    if lower {
        record.lower_case();
    }
    let present: Vec<&str> = KEYS
        .iter()
        .map(|&(key, _)| key)
        .filter(|key| template.contains(&format!("{{{key}}}")))
        .collect();
    let sentence = if lower {
        record.fill(&template.to_lowercase())
    } else {
        record.fill(template)
    };
    let sentence = if split.trains() {
        lightly(rng, &sentence)
    } else {
        sentence
    };
    let everything = split.trains() && rng.chance(0.25);
    if everything {
        let asked = rng
            .text(PHRASINGS.list("asked for all"))
            .replace("{s}", &sentence);
        return Sample::new(asked, record.json(&present));
    }
    let mut wanted = present;
    while wanted.len() > 1 && rng.chance(0.15) {
        wanted.remove(rng.index(wanted.len()));
    }
    let phrasings = list(rng, split, "asked");
    let mut asked = rng.text(phrasings).to_owned();
    if lower {
        asked = asked.to_lowercase();
    }
    let asked = asked
        .replace("{f}", &listed(rng, &wanted))
        .replace("{s}", &sentence);
    Sample::new(asked, record.json(&wanted))
}

fn listed(rng: &mut Rng, keys: &[&str]) -> String {
    match rng.index(6) {
        0 | 1 => keys.join(", "),
        2 => format!("the {}", with_and(keys)),
        3 => keys
            .iter()
            .map(|key| format!("the {key}"))
            .collect::<Vec<_>>()
            .join(" and "),
        4 => keys.join(" and "),
        _ => with_and(keys),
    }
}

fn with_and(keys: &[&str]) -> String {
    match keys {
        [head @ .., last] if !head.is_empty() => format!("{} and {last}", head.join(", ")),
        _ => keys.join(", "),
    }
}
