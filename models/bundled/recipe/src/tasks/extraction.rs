//! Fields of a sentence as JSON, in a fixed order of keys, copied as they are written. Sentences, questions
//! and every name and place of the evaluation are held out.

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    typing::lightly,
    words,
};

/// The keys in the order in which answers have them; numbers are written without quotes.
const KEYS: &[(&str, bool)] = &[
    ("name", false), ("age", true), ("job", false), ("company", false), ("quantity", true), ("item", false),
    ("price", true), ("city", false), ("date", false), ("email", false),
];
const JOBS: &[&str] = &[
    "nurse", "teacher", "engineer", "doctor", "pilot", "chef", "lawyer", "baker", "driver", "farmer", "painter", "plumber",
    "designer", "writer", "clerk", "manager", "analyst", "carpenter", "waiter", "singer", "judge", "barber", "tailor",
];
const JOBS_HELD_OUT: &[&str] = &["surgeon", "gardener", "librarian", "mechanic", "sailor", "dancer", "butcher"];

const SENTENCES: &[&str] = &[
    "{name} is {age} years old and lives in {city}.", "{name}, {age}, lives in {city}.", "{name}, {age}, from {city}.",
    "{name} ({age}) comes from {city}.", "{name} from {city} is {age}.", "{age}-year-old {name} lives in {city}.",
    "In {city} lives {name}, who is {age} years old.", "My name is {name}, I am {age} and I live in {city}.",
    "I am {name}, {age} years old, from {city}.", "{name} turned {age} last week in {city}.", "Meet {name}: {age}, {city}.",
    "{name} is {age}.", "{name} is {age} years old.", "{name} just turned {age}.", "I'm {name} and I'm {age}.", "{name}, aged {age}.",
    "{name} lives in {city}.", "{name} moved to {city}.", "{name} comes from {city}.", "Our friend {name} is staying in {city}.",
    "{name} works as a {job} in {city}.", "{name} is a {job} at {company}.", "{name}, a {job} from {city}, is {age}.",
    "{name} has been a {job} at {company} in {city} for years.", "{company} hired {name} as a {job}.", "The {job} {name} lives in {city}.",
    "{name} ({age}) is a {job}.", "{name}, {age}, works for {company} as a {job}.", "At {company}, {name} is the new {job}.",
    "{name} joined {company} on {date}.", "{name} started at {company} in {city} on {date}.", "On {date}, {name} left {company}.",
    "{name} bought {quantity} {item} for {price} dollars.", "{name} bought {quantity} {item} at ${price}.", "{name} sold {quantity} {item} on {date}.",
    "{name} ordered {quantity} {item}.", "{name} ordered {quantity} {item} for ${price}.", "{name} paid {price} euros for {quantity} {item}.",
    "On {date} {name} bought {quantity} {item}.", "{quantity} {item} were sold to {name} for {price} euros.", "Order: {quantity} {item}, {price} euros, for {name}.",
    "{name} wants {quantity} {item} sent to {city}.", "Please send {quantity} {item} to {name} in {city}.", "Ship {quantity} {item} to {city} by {date}.",
    "We need {quantity} {item} by {date}.", "The {item} cost {price} dollars.", "{item} are {price} euros in {city}.", "The price of the {item} is ${price}.",
    "I bought {item} for {price} euros on {date}.", "{quantity} {item} for ${price}.", "Invoice of {date}: {quantity} {item}, ${price}.",
    "{name} can be reached at {email}.", "{name}'s email is {email}.", "Write to {name} at {email}.", "Contact: {name}, {email}.", "{name} <{email}>",
    "{name} ({email}) lives in {city}.", "Email {email} and ask for {name}.", "I'm {name}, my mail is {email}.", "{name}, {city}, {email}",
    "{name}, {age}, {email}", "Send the papers to {email} before {date}.", "{name} from {company}: {email}", "{name}, {job}, {email}",
    "{name} will meet us in {city} on {date}.", "On {date} {name} flies to {city}.", "The meeting with {name} is on {date} in {city}.",
    "{name} was born on {date} in {city}.", "{name} was born in {city} on {date}.", "{name} visits {city} on {date}.", "{name} has a ticket to {city} for {date}.",
    "{name} booked a room in {city} for {price} euros.", "The train to {city} leaves on {date} and costs {price} euros.", "{name} arrives on {date}.",
    "Concert in {city} on {date}, tickets {price} dollars.", "{company} opens a shop in {city} on {date}.", "{company} is based in {city}.",
    "{name} rents a flat in {city} for {price} dollars.", "{name} earns {price} dollars at {company}.", "Name: {name}, age: {age}, city: {city}",
    "name {name} age {age} city {city}", "Customer {name} asked for {quantity} {item}.", "Yesterday {name} ({age}) from {city} came by.",
    "Hi, this is {name} from {city}, I'd like {quantity} {item}.", "hello, {name} here, {age}, {city}", "{name} and a dog live in {city}.",
];
const SENTENCES_HELD_OUT: &[&str] = &[
    "At the age of {age}, {name} moved to {city}.", "{name}, who lives in {city}, is {age} years old.", "A {job} named {name} lives in {city}.",
    "{name} works for {company} in {city}.", "For {price} dollars {name} bought {quantity} {item}.", "{name} needs {quantity} {item} by {date}.",
    "You can write to {name} at {email}.", "{name} travels to {city} on {date}.", "{name} lives in {city} and can be reached at {email}.",
    "{name} is a {age}-year-old {job} from {city}.", "{name} got {quantity} {item} for {price} euros on {date}.",
];

const ASKED: &[&str] = &[
    "Extract {f} as JSON: {s}", "Extract {f} as JSON.\n{s}", "{s}\nExtract {f} as JSON.", "{s} Extract {f} as JSON.", "Return {f} as JSON: {s}",
    "JSON with {f}: {s}", "Give me {f} as JSON: {s}", "Find {f} and answer in JSON: {s}", "Text: {s}\nFields: {f}\nJSON:", "Text: {s}\nJSON with {f}:",
    "Turn this into JSON with {f}: {s}", "Read the text and return {f} as JSON. {s}", "{f} as json: {s}", "json {f}: {s}", "{s} -> JSON with {f}",
    "Which {f} are in this text? Answer in JSON. {s}", "Write a JSON object with {f}. {s}", "Parse {f} into JSON: {s}", "Get {f} from: {s}",
    "From \"{s}\" extract {f} as JSON.", "Pull {f} out of this sentence as JSON: {s}", "I need {f} in JSON from this: {s}", "extract {f}: {s}",
    "Make a JSON object of {f}: {s}", "What are {f} here? Reply with JSON. {s}", "Keys: {f}\n{s}", "{s}\nKeys: {f}", "convert to json ({f}): {s}",
];
const ASKED_HELD_OUT: &[&str] = &[
    "Please extract {f} from this text as JSON: {s}", "Read this and give {f} as JSON: {s}", "As a JSON object with {f}: {s}", "{s}\nReturn {f} in JSON.",
];
const ASKED_FOR_ALL: &[&str] = &[
    "Extract the fields as JSON: {s}", "Extract the data as JSON: {s}", "Turn this into JSON: {s}", "{s}\nJSON:", "JSON: {s}", "to json: {s}",
    "Convert to JSON: {s}", "Extract everything as JSON: {s}", "Parse this into JSON: {s}", "{s} As JSON please.", "Write this as JSON: {s}",
    "Text: {s}\nJSON:", "Make JSON of this: {s}", "Structured data, JSON: {s}", "extract json: {s}", "{s} in json",
];

/// The values that a sentence is filled with, in the order of [`KEYS`].
pub struct Record(Vec<(&'static str, bool, String)>);

impl Record {
    /// Random values for every key.
    pub fn draw(rng: &mut Rng, split: Split) -> Self {
        let values = [
            words::person(rng, split),
            rng.between(18, 90).to_string(),
            (*rng.pick(split.of(JOBS, JOBS_HELD_OUT))).to_owned(),
            company(rng, split),
            rng.between(2, 60).to_string(),
            words::goods(rng, split).to_owned(),
            words::price(rng),
            words::city(rng, split),
            words::date(rng),
            words::email(rng, split),
        ];
        Self(KEYS.iter().zip(values).map(|(&(key, number), value)| (key, number, value)).collect())
    }

    /// `template` with its `{key}` filled in.
    pub fn fill(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (key, _, value)| text.replace(&format!("{{{key}}}"), value))
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
                if *number { format!("\"{key}\": {value}") } else { format!("\"{key}\": \"{value}\"") }
            })
            .collect();
        format!("{{{}}}", fields.join(", "))
    }
}

fn company(rng: &mut Rng, split: Split) -> String {
    let first = words::city(rng, split);
    let second = *rng.pick(&["", "", " Labs", " Foods", " Group", " Motors", " Bank", " Software", " Ltd"]);
    format!("{first}{second}")
}

/// A sentence, the fields asked for, and the JSON that has them.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let template = *rng.pick(split.of(SENTENCES, SENTENCES_HELD_OUT));
    let mut record = Record::draw(rng, split);
    let lower = split == Split::Train && rng.chance(0.25);
    if lower {
        record.lower_case();
    }
    let present: Vec<&str> =
        KEYS.iter().map(|&(key, _)| key).filter(|key| template.contains(&format!("{{{key}}}"))).collect();
    let sentence =
        if lower { record.fill(&template.to_lowercase()) } else { record.fill(template) };
    let sentence = if split == Split::Train { lightly(rng, &sentence) } else { sentence };
    let everything = split == Split::Train && rng.chance(0.25);
    if everything {
        let asked = rng.pick(ASKED_FOR_ALL).replace("{s}", &sentence);
        return Sample::new(asked, record.json(&present));
    }
    let mut wanted = present;
    while wanted.len() > 1 && rng.chance(0.15) {
        wanted.remove(rng.index(wanted.len()));
    }
    let mut asked = rng.pick(split.of(ASKED, ASKED_HELD_OUT)).to_string();
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
