//! Facts about countries. All countries are taught; phrasings are held out.

use std::sync::LazyLock;

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    typing::{as_typed, upper_first},
};

/// One country.
pub struct Country {
    /// Its name, with the article where English uses one.
    pub name: &'static str,
    /// Its capital.
    pub capital: &'static str,
    /// The continent it lies on.
    pub continent: &'static str,
    /// The currency, without the adjective.
    pub currency: &'static str,
    /// Its first language.
    pub language: &'static str,
}

/// Every country.
pub static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    include_str!("../../data/countries.txt")
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('|');
            Some(Country {
                name: fields.next()?,
                capital: fields.next()?,
                continent: fields.next()?,
                currency: fields.next()?,
                language: fields.next()?,
            })
        })
        .collect()
});

const CAPITAL: &[&str] = &[
    "What is the capital of {c}?",
    "What's the capital of {c}?",
    "What is the capital city of {c}?",
    "Whats the capital city of {c}",
    "Which city is the capital of {c}?",
    "Which town is the capital of {c}?",
    "Name the capital of {c}.",
    "Name {p} capital.",
    "Capital of {c}?",
    "Capital city of {c}?",
    "capital {b}",
    "{b} capital",
    "{b} capital city?",
    "{b}: capital?",
    "What is {p} capital?",
    "What is {p} capital city?",
    "Tell me the capital of {c}.",
    "Tell me {p} capital.",
    "Give me the capital of {c}.",
    "Can you tell me the capital of {c}?",
    "Could you name the capital of {c}?",
    "Do you know the capital of {c}?",
    "Do you know what {p} capital is?",
    "I would like to know the capital of {c}.",
    "I need the capital of {c}.",
    "I forgot the capital of {c}, what is it?",
    "{C} has which capital?",
    "{C} has its capital where?",
    "Where is the government of {c}?",
    "Where is {p} government based?",
    "Where is the seat of government of {c}?",
    "The capital of {c} is which city?",
    "The capital of {c} is called what?",
    "What city is the capital of {c}?",
    "Which city is {p} capital?",
    "What do you call the capital of {c}?",
    "How is the capital of {c} called?",
    "What is the name of the capital of {c}?",
    "What is the name of {p} capital?",
    "In {c}, which city is the capital?",
    "In {c}, what is the capital?",
    "For {c}, name the capital city.",
    "Country: {b}. Capital?",
    "Country: {b}\nCapital:",
    "Capital for {c}?",
    "Answer with one word: the capital of {c}.",
    "Which capital belongs to {c}?",
    "What capital does {c} have?",
    "Which city does {c} have as its capital?",
    "My homework asks for the capital of {c}.",
    "For a quiz: what is the capital of {c}?",
    "Geography: the capital of {c}?",
    "I am going to {c}, what is the capital there?",
    "We are flying to the capital of {c}. Which city is that?",
    "The parliament of {c} sits in which city?",
    "From which city is {c} governed?",
    "Complete: the capital of {c} is",
    "Fill in: {p} capital is ...",
    "the capital of {c} =",
    "{b} -> capital",
    "Any idea what the capital of {c} is?",
    "Remind me, what is the capital of {c}?",
    "Someone asked me for the capital of {c}.",
    "What would be the capital of {c}?",
];

const CAPITAL_HELD_OUT: &[&str] = &[
    "Please name the city that is the capital of {c}.",
    "Which city serves as the capital of {c}?",
    "Can you name {p} capital city?",
    "What is the capital called in {c}?",
    "Tell me which city is {p} capital.",
    "I would like to know what {p} capital is.",
    "In which city is the government of {c}?",
    "Do you happen to know the capital of {c}?",
    "{C}: what is the capital city?",
    "Give {p} capital.",
    "Capital city for {c} please",
    "Name the city which is the capital of {c}",
];

const CONTINENT: &[&str] = &[
    "On which continent is {c}?",
    "Which continent is {c} in?",
    "What continent is {c} on?",
    "{b}: continent?",
    "{b} continent",
    "Continent of {c}?",
    "In what part of the world is {c}?",
    "To which continent does {c} belong?",
    "Name the continent of {c}.",
    "Where in the world is {c}?",
    "{C} lies on which continent?",
];
const CURRENCY: &[&str] = &[
    "What is the currency of {c}?",
    "Which currency does {c} use?",
    "What money do people use in {c}?",
    "How do people pay in {c}?",
    "{b} currency",
    "{b}: currency?",
    "Currency of {c}?",
    "Name the currency of {c}.",
    "What is {p} currency?",
    "What money is used in {c}?",
];
const LANGUAGE: &[&str] = &[
    "What language do people speak in {c}?",
    "Which language is spoken in {c}?",
    "What is the language of {c}?",
    "{b} language",
    "{b}: language?",
    "Language of {c}?",
    "What do people speak in {c}?",
    "Name the main language of {c}.",
];
const COUNTRY: &[&str] = &[
    "{k} is the capital of which country?",
    "Which country has {k} as its capital?",
    "Of which country is {k} the capital?",
    "{k} is the capital of what?",
    "What country is {k} the capital of?",
    "In which country is {k}?",
    "What country is {k} in?",
    "{k}: which country?",
    "Name the country whose capital is {k}.",
    "Where is {k}?",
];

/// Fills `{c}` the country, `{C}` the same at the start of a sentence, `{b}` without its article, `{p}` the
/// possessive and `{k}` the capital.
pub fn fill(template: &str, country: &Country) -> String {
    let bare = country.name.strip_prefix("the ").unwrap_or(country.name);
    let possessive =
        if country.name.ends_with('s') { format!("{}'", country.name) } else { format!("{}'s", country.name) };
    template
        .replace("{c}", country.name)
        .replace("{C}", &upper_first(country.name))
        .replace("{b}", bare)
        .replace("{p}", &possessive)
        .replace("{k}", country.capital)
}

/// The ways to ask for a capital.
pub fn phrasings(split: Split) -> &'static [&'static str] {
    split.of(CAPITAL, CAPITAL_HELD_OUT)
}

/// A question for the capital of a country.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let country = rng.pick(COUNTRIES.as_slice());
    let template = *rng.pick(phrasings(split));
    let mut question = fill(template, country);
    if split == Split::Train {
        // Articles are often left out by those who type in a hurry.
        if rng.chance(0.1) {
            question = question.replacen(" the ", " ", 1);
        }
        question = as_typed(rng, &question);
    }
    Sample::new(question, country.capital)
}

/// A question for another fact about a country; always of the training half.
pub fn other_fact(rng: &mut Rng) -> Sample {
    let country = rng.pick(COUNTRIES.as_slice());
    let (templates, answer) = match rng.index(5) {
        0 | 1 => (CONTINENT, country.continent),
        2 => (CURRENCY, country.currency),
        3 => (LANGUAGE, country.language),
        _ => (COUNTRY, country.name.strip_prefix("the ").unwrap_or(country.name)),
    };
    let question = fill(rng.text(templates), country);
    Sample::new(as_typed(rng, &question), answer)
}
