//! Conversions between units with whole results. Pairs of amount and unit, and phrasings, are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::as_typed;
use crate::rng::Rng;

/// A larger unit, the ways to write it, the smaller one, its ways, how many make one, and the largest amount asked.
struct Pair {
    large: &'static [&'static str],
    small: &'static [&'static str],
    factor: u32,
    most: u32,
}

// The first spelling of a unit is the one that answers use.
const KILOMETRES: &[&str] = &["kilometres", "km", "kilometers"];
const METRES: &[&str] = &["metres", "m", "meters"];
const CENTIMETRES: &[&str] = &["centimetres", "cm", "centimeters"];
const MILLIMETRES: &[&str] = &["millimetres", "mm", "millimeters"];
const KILOGRAMS: &[&str] = &["kilograms", "kg", "kilos"];
const GRAMS: &[&str] = &["grams", "g", "grammes"];
const LITRES: &[&str] = &["litres", "l", "liters"];
const MILLILITRES: &[&str] = &["millilitres", "ml", "milliliters"];
const GIGABYTES: &[&str] = &["gigabytes", "GB", "gigs"];
const MEGABYTES: &[&str] = &["megabytes", "MB", "megs"];
const KILOBYTES: &[&str] = &["kilobytes", "KB"];
const TONNES: &[&str] = &["tonnes", "t", "tons"];
const SECONDS: &[&str] = &["seconds", "sec", "secs"];
const MINUTES: &[&str] = &["minutes", "min", "mins"];
const HOURS: &[&str] = &["hours", "h", "hrs"];
const DAYS: &[&str] = &["days"];
const PAIRS: &[Pair] = &[
    Pair { large: KILOMETRES, small: METRES, factor: 1000, most: 200 },
    Pair { large: METRES, small: CENTIMETRES, factor: 100, most: 200 },
    Pair { large: CENTIMETRES, small: MILLIMETRES, factor: 10, most: 400 },
    Pair { large: METRES, small: MILLIMETRES, factor: 1000, most: 100 },
    Pair { large: KILOGRAMS, small: GRAMS, factor: 1000, most: 200 },
    Pair { large: TONNES, small: KILOGRAMS, factor: 1000, most: 100 },
    Pair { large: LITRES, small: MILLILITRES, factor: 1000, most: 100 },
    Pair { large: GIGABYTES, small: MEGABYTES, factor: 1000, most: 100 },
    Pair { large: MEGABYTES, small: KILOBYTES, factor: 1000, most: 100 },
    Pair { large: HOURS, small: MINUTES, factor: 60, most: 30 },
    Pair { large: MINUTES, small: SECONDS, factor: 60, most: 30 },
    Pair { large: DAYS, small: HOURS, factor: 24, most: 20 },
    Pair { large: &["weeks", "wks"], small: DAYS, factor: 7, most: 30 },
    Pair { large: &["years", "yrs"], small: &["months"], factor: 12, most: 30 },
    Pair { large: &["feet", "ft"], small: &["inches", "in"], factor: 12, most: 30 },
    Pair { large: &["yards", "yd"], small: &["feet", "ft"], factor: 3, most: 60 },
    Pair { large: &["pounds", "lbs"], small: &["ounces", "oz"], factor: 16, most: 20 },
    Pair { large: &["gallons"], small: &["quarts"], factor: 4, most: 50 },
    Pair { large: &["centuries"], small: &["years", "yrs"], factor: 100, most: 30 },
    Pair { large: &["decades"], small: &["years", "yrs"], factor: 10, most: 50 },
    Pair { large: &["dozens"], small: &["pieces"], factor: 12, most: 20 },
];

static PHRASINGS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/units.txt")));

/// A conversion; in the training half an amount of one is asked for more often, as people do.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let (pair, down, amount) = loop {
        let at = rng.index(PAIRS.len());
        let pair = &PAIRS[at];
        let down = rng.chance(0.65);
        let most = if rng.chance(0.6) { pair.most.min(20) } else { pair.most };
        let amount = rng.between(1, most);
        if split.owns(&format!("{at} {down} {amount}")) {
            break (pair, down, amount);
        }
    };
    let (from, to) = if down { (pair.large, pair.small) } else { (pair.small, pair.large) };
    let (given, result) = if down { (amount, amount * pair.factor) } else { (amount * pair.factor, amount) };
    let from = unit(rng, from, split, given);
    let phrasing = rng.text(PHRASINGS.of("phrasings", split));
    let question = phrasing
        .replace("{n}", &if given == 1 && rng.chance(0.3) { "a".to_owned() } else { given.to_string() })
        .replace("{from}", &from)
        .replace("{to}", &unit(rng, to, split, 2));
    let question = if split.trains() { as_typed(rng, &question) } else { question };
    Sample::new(question, format!("{result} {}", singular(to[0], result)))
}

fn unit(rng: &mut Rng, spellings: &[&str], split: Split, amount: u32) -> String {
    let spelling =
        if split == Split::HeldOut || rng.chance(0.5) { spellings[0] } else { *rng.pick(spellings) };
    singular(spelling, amount).to_owned()
}

/// The form that follows `amount`.
pub fn singular(unit: &str, amount: u32) -> &str {
    if amount != 1 {
        return unit;
    }
    match unit {
        "feet" => "foot",
        "inches" => "inch",
        "centuries" => "century",
        _ if unit.len() > 3 => unit.trim_end_matches('s'),
        _ => unit,
    }
}
