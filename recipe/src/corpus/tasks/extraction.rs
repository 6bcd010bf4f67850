//! Fields of a sentence as JSON, in a fixed order of keys, copied as they are written. Sentences, questions
//! and every name and place of the evaluation are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::{lightly, upper_first};
use crate::corpus::words;
use crate::rng::Rng;

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
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/extraction.txt")));

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
        Self(KEYS.iter().zip(values).map(|(&(key, number), value)| (key, number, value)).collect())
    }

    /// `template` with its `{key}` filled in.
    pub fn fill(&self, template: &str) -> String {
        self.0
            .iter()
            .fold(template.to_owned(), |text, (key, _, value)| text.replace(&format!("{{{key}}}"), value))
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
            .map(
                |(key, number, value)| {
                    if *number { format!("\"{key}\": {value}") } else { format!("\"{key}\": \"{value}\"") }
                },
            )
            .collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// Words that say which field stands beside them; all others may be any word.
const TELLING: &[&str] = &[
    "in", "at", "on", "by", "from", "to", "of", "for", "with", "before", "and", "is", "was", "are", "as",
    "a", "an", "the", "who", "years", "year", "old", "aged", "age", "named", "called", "name", "dollars",
    "euros", "bought", "sold", "works", "lives", "cost", "email", "mail",
];

/// `template` with half of the words that are not telling exchanged for any common word.
fn exchanged(rng: &mut Rng, split: Split, template: &str) -> String {
    let pieces = template.split(' ').enumerate().map(|(index, piece)| {
        let word = piece.trim_end_matches(['.', ',', ':', '?', '!', ';']);
        let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
        if !is_word || TELLING.contains(&word.to_lowercase().as_str()) || rng.chance(0.5) {
            return piece.to_owned();
        }
        let mut other = words::any(rng, split);
        if index == 0 {
            other = upper_first(&other);
        }
        format!("{other}{}", &piece[word.len()..])
    });
    pieces.collect::<Vec<_>>().join(" ")
}

fn template(rng: &mut Rng, split: Split) -> String {
    if !split.varies() {
        let templates = list(rng, split, "sentences");
        return rng.text(templates).to_owned();
    }
    if rng.chance(0.15) {
        let template = rng.text(PHRASINGS.list("exchanged sentences"));
        return exchanged(rng, split, template);
    }
    match rng.index(12) {
        0..=3 => composed(rng, split),
        4 | 5 => {
            let templates = list(rng, split, "sentences");
            let template = rng.text(templates);
            opened(rng, template)
        }
        6 | 7 => {
            let template = rng.text(PHRASINGS.list("varied sentences"));
            exchanged(rng, split, template)
        }
        choice => {
            let templates = list(rng, split, "sentences");
            let template = rng.text(templates);
            if choice < 10 { exchanged(rng, split, template) } else { template.to_owned() }
        }
    }
}

/// Ways in which each field may stand in a sentence.
const PARTS: &[&[&str]] = &[
    &[
        "{name}",
        "{name}",
        "a man called {name}",
        "our {name}",
        "{name},",
        "spoke to {name}",
        "mail {name}",
        "ask {name}",
    ],
    &[
        "{age}",
        "({age})",
        "aged {age}",
        "at {age}",
        "{age} years old",
        "at {age} years of age",
        "who is {age}",
    ],
    &["as a {job}", "the {job}", "a {job}", "who is a {job}", "the new {job}", "{job}"],
    &["at {company}", "for {company}", "with {company}", "from {company}", "{company}"],
    &["{quantity} {item}", "{quantity} of the {item}", "{item} ({quantity})", "{quantity} x {item}"],
    &[
        "for {price} dollars",
        "for {price} euros",
        "at ${price}",
        "worth {price} euros",
        "with {price} dollars",
    ],
    &["in {city}", "from {city}", "to {city}", "near {city}", "of {city}", "who lives in {city}", "{city}"],
    &["on {date}", "by {date}", "before {date}", "since {date}", "until {date}", "{date}"],
    &["at {email}", "by {email}", "({email})", "via {email}", "{email}", "using {email}"],
];

/// A sentence of two to five fields in any order with any words between them.
fn composed(rng: &mut Rng, split: Split) -> String {
    let mut parts: Vec<&[&str]> = PARTS.to_vec();
    rng.shuffle(&mut parts);
    // Most sentences name somebody.
    if rng.chance(0.8) {
        let name = parts.iter().position(|part| part[0] == "{name}").unwrap_or_default();
        let front = rng.index(3);
        parts.swap(name, front);
    }
    let mut pieces: Vec<String> = Vec::new();
    for part in parts.iter().take(rng.between(2, 5) as usize) {
        for _ in 0..rng.index(4) {
            pieces.push(filler(rng, split));
        }
        let mut piece = rng.text(part).to_owned();
        if rng.chance(0.15) && !piece.ends_with(',') {
            piece.push(',');
        }
        pieces.push(piece);
    }
    if rng.chance(0.3) {
        pieces.push(filler(rng, split));
    }
    let mut sentence = pieces.join(" ").trim_end_matches(',').to_owned();
    if rng.chance(0.7) {
        sentence.push('.');
    }
    upper_first(&sentence)
}

fn filler(rng: &mut Rng, split: Split) -> String {
    if rng.chance(0.4) {
        rng.text(&["the", "and", "has", "was", "is", "a", "that", "had", "then", "will", "could", "new"])
            .to_owned()
    } else {
        words::any(rng, split)
    }
}

/// `template` behind words that say nothing of any field.
fn opened(rng: &mut Rng, template: &str) -> String {
    let preposition = rng.text(&["At", "In", "On", "After", "With", "By", "Near", "For", "Since", "Under"]);
    let (first, second) = (words::any(rng, Split::Varied), words::any(rng, Split::Varied));
    match rng.index(3) {
        0 => format!("{preposition} the {first} of {second}, {template}"),
        1 => format!("{preposition} the {first}, {template}"),
        _ => format!("{preposition} {first} {second} {template}"),
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
    if split.trains() && rng.chance(if split.varies() { 0.95 } else { 0.6 }) {
        words::any(rng, split)
    } else {
        rng.text(PHRASINGS.of("jobs", split)).to_owned()
    }
}

fn company(rng: &mut Rng, split: Split) -> String {
    let first = words::city(rng, split);
    let second = *rng.pick(&["", "", " Labs", " Foods", " Group", " Motors", " Bank", " Software", " Ltd"]);
    format!("{first}{second}")
}

/// A sentence, the fields asked for, and the JSON that has them.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let template = template(rng, split);
    let mut record = Record::draw(rng, split);
    let lower = split.trains() && rng.chance(if split.varies() { 0.1 } else { 0.25 });
    if lower {
        record.lower_case();
    }
    let present: Vec<&str> =
        KEYS.iter().map(|&(key, _)| key).filter(|key| template.contains(&format!("{{{key}}}"))).collect();
    let sentence = if lower { record.fill(&template.to_lowercase()) } else { record.fill(&template) };
    let sentence = if split.trains() { lightly(rng, &sentence) } else { sentence };
    let everything = split.trains() && rng.chance(if split.varies() { 0.1 } else { 0.25 });
    if everything {
        let asked = rng.text(PHRASINGS.list("asked for all")).replace("{s}", &sentence);
        return Sample::new(asked, record.json(&present));
    }
    let mut wanted = present;
    let left_out = if split.varies() { 0.5 } else { 0.15 };
    while wanted.len() > 1 && rng.chance(left_out) {
        wanted.remove(rng.index(wanted.len()));
    }
    let mut asked = if split.varies() && rng.chance(0.4) {
        let words = [words::any(rng, split), words::any(rng, split)];
        let phrasing = rng.text(PHRASINGS.list("exchanged asked"));
        phrasing.replace("{W}", &upper_first(&words[0])).replace("{w}", &words[1])
    } else {
        let phrasings = list(rng, split, "asked");
        rng.text(phrasings).to_owned()
    };
    if lower {
        asked = asked.to_lowercase();
    }
    let asked = asked.replace("{f}", &listed(rng, &wanted)).replace("{s}", &sentence);
    Sample::new(asked, record.json(&wanted))
}

fn listed(rng: &mut Rng, keys: &[&str]) -> String {
    match rng.index(6) {
        0 | 1 => keys.join(", "),
        2 => format!("the {}", with_and(keys)),
        3 => keys.iter().map(|key| format!("the {key}")).collect::<Vec<_>>().join(" and "),
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
