//! Facts about countries. All countries are taught; phrasings are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::{as_typed, upper_first};
use crate::rng::Rng;

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
    include_str!("../../../data/countries.txt")
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

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/capitals.txt")));

/// Fills `{c}` the country, `{C}` the same at the start of a sentence, `{b}` without its article, `{p}` the
/// possessive and `{k}` the capital.
pub fn fill(template: &str, country: &Country) -> String {
    let bare = country.name.strip_prefix("the ").unwrap_or(country.name);
    let possessive = if country.name.ends_with('s') {
        format!("{}'", country.name)
    } else {
        format!("{}'s", country.name)
    };
    template
        .replace("{c}", country.name)
        .replace("{C}", &upper_first(country.name))
        .replace("{b}", bare)
        .replace("{p}", &possessive)
        .replace("{k}", country.capital)
}

/// The ways to ask for a capital.
pub fn phrasings(split: Split) -> &'static [&'static str] {
    PHRASINGS.of("capital", split)
}

/// A question for the capital of a country.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let country = rng.pick(COUNTRIES.as_slice());
    let template = rng.text(phrasings(split));
    let mut question = fill(template, country);
    if split.trains() {
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
    let (heading, answer) = match rng.index(5) {
        0 | 1 => ("continent", country.continent),
        2 => ("currency", country.currency),
        3 => ("language", country.language),
        _ => ("country", country.name.strip_prefix("the ").unwrap_or(country.name)),
    };
    let question = fill(rng.text(PHRASINGS.list(heading)), country);
    Sample::new(as_typed(rng, &question), answer)
}
