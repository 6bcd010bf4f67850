//! Names, places and things that several generators share.

use std::sync::LazyLock;

use serde_json::Value;

use crate::corpus::sample::Split;
use crate::corpus::typing::upper_first;
use crate::rng::Rng;

const FIRST_NAMES: &[&str] = &[
    "Anna", "Maria", "John", "Peter", "Lucas", "Emma", "Olivia", "Noah", "Liam", "Mia", "Sofia", "Paul",
    "Laura", "David", "Sarah", "James", "Robert", "Linda", "Susan", "Karen", "Mark", "Daniel", "Julia",
    "Elena", "Ivan", "Olga", "Yuki", "Kenji", "Wei", "Li", "Chen", "Amir", "Fatima", "Omar", "Layla", "Ravi",
    "Priya", "Arjun", "Nina", "Marco", "Luca", "Giulia", "Pierre", "Claire", "Hans", "Greta", "Lars",
    "Ingrid", "Pablo", "Carmen", "Diego", "Lucia", "Joao", "Ana", "Kofi", "Ama", "Tom", "Ben", "Sam", "Max",
    "Leo", "Eva", "Ida", "Kate", "Jane", "Alice", "Bob", "Carol", "Dave", "Frank", "Grace", "Henry", "Irene",
    "Jack", "Karl", "Lena", "Martin", "Nora", "Oscar", "Petra", "Rosa", "Simon", "Tina", "Victor", "Walter",
];
const SURNAMES: &[&str] = &[
    "Smith", "Jones", "Brown", "Miller", "Davis", "Wilson", "Taylor", "Clark", "Lewis", "Walker", "Hall",
    "Young", "King", "Wright", "Lopez", "Garcia", "Martinez", "Perez", "Sanchez", "Rossi", "Bianchi",
    "Ferrari", "Muller", "Schmidt", "Weber", "Fischer", "Becker", "Dubois", "Martin", "Moreau", "Silva",
    "Santos", "Costa", "Kim", "Park", "Lee", "Wang", "Zhang", "Tanaka", "Sato", "Suzuki", "Patel", "Singh",
    "Kumar", "Khan", "Ali", "Hassan", "Okafor", "Mensah", "Novak", "Kowalski", "Petrov", "Ivanova", "Larsen",
    "Hansen", "Berg", "Lind", "Virtanen", "Yilmaz", "Demir",
];
const CITIES: &[&str] = &[
    "Paris",
    "London",
    "Berlin",
    "Madrid",
    "Rome",
    "Vienna",
    "Oslo",
    "Lima",
    "Cairo",
    "Tokyo",
    "Seoul",
    "Delhi",
    "Boston",
    "Chicago",
    "Denver",
    "Dallas",
    "Austin",
    "Seattle",
    "Toronto",
    "Montreal",
    "Sydney",
    "Perth",
    "Dublin",
    "Leeds",
    "Manchester",
    "Lyon",
    "Nice",
    "Hamburg",
    "Munich",
    "Cologne",
    "Milan",
    "Turin",
    "Naples",
    "Porto",
    "Lisbon",
    "Seville",
    "Valencia",
    "Prague",
    "Brno",
    "Warsaw",
    "Krakow",
    "Athens",
    "Sofia",
    "Zagreb",
    "Helsinki",
    "Bergen",
    "Malmo",
    "Riga",
    "Geneva",
    "Zurich",
    "Basel",
    "Antwerp",
    "Ghent",
    "Utrecht",
    "Osaka",
    "Kyoto",
    "Mumbai",
    "Lagos",
    "Accra",
    "Nairobi",
];
/// Things that are bought and sold.
pub const GOODS: &[&str] = &[
    "apples", "pears", "books", "pens", "chairs", "tables", "lamps", "shirts", "shoes", "hats", "bikes",
    "phones", "laptops", "cables", "mugs", "plates", "knives", "candles", "towels", "pillows", "tickets",
    "stamps", "bottles", "boxes", "bags", "toys", "balls", "clocks", "mirrors", "rugs", "plants", "seeds",
    "tools", "screws", "bricks", "doors", "windows", "coats",
];
const GOODS_HELD_OUT: &[&str] = &[
    "violins", "drums", "kites", "ropes", "tents", "skates", "lanterns", "ladders", "buckets", "brushes",
    "scarves",
];
/// The months.
pub const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The days of the week.
pub const WEEKDAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ONSETS: &[&str] = &[
    "b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p", "pr",
    "qu", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z", "",
];
const VOWELS: &[&str] = &["a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "ou", "a", "e", "i", "o"];
const CODAS: &[&str] = &["", "", "", "n", "r", "l", "s", "m", "t", "nd", "ck", "x", "v", "th", "rt", "lm"];

/// An invented word of two or three syllables, so that copying is learnt and not a list of names.
pub fn invented(rng: &mut Rng) -> String {
    loop {
        let mut word = String::new();
        for _ in 0..rng.between(2, 3) {
            word += rng.text(ONSETS);
            word += rng.text(VOWELS);
            if rng.chance(0.4) {
                word += rng.text(CODAS);
            }
        }
        if (4..=10).contains(&word.len()) {
            return word;
        }
    }
}

fn name(rng: &mut Rng, split: Split, known: &[&str]) -> String {
    loop {
        // Evaluation draws only names that training cannot have seen.
        if split.trains() && rng.chance(0.3) {
            return (*rng.pick(known)).to_owned();
        }
        let word =
            if split.varies() && rng.chance(0.4) { pieced_name(rng) } else { upper_first(&invented(rng)) };
        if split.owns(&word.to_lowercase()) {
            return word;
        }
    }
}

/// A first name, sometimes with a surname.
pub fn person(rng: &mut Rng, split: Split) -> String {
    let first = first_name(rng, split);
    if rng.chance(0.4) { format!("{first} {}", name(rng, split, SURNAMES)) } else { first }
}

/// A first name.
pub fn first_name(rng: &mut Rng, split: Split) -> String {
    name(rng, split, FIRST_NAMES)
}

/// A city.
pub fn city(rng: &mut Rng, split: Split) -> String {
    name(rng, split, CITIES)
}

/// A thing that is sold, in the plural.
pub fn goods(rng: &mut Rng, split: Split) -> String {
    if split.trains() && rng.chance(if split.varies() { 0.95 } else { 0.6 }) {
        return format!("{}s", any(rng, split));
    }
    rng.text(split.of(GOODS, GOODS_HELD_OUT)).to_owned()
}

/// A common word that may stand for a thing; what is held out elsewhere is not among them.
pub fn common(rng: &mut Rng) -> &'static str {
    rng.text(&COMMON)
}

/// A word that may stand for a thing: a common one, and where sentences vary more often one that no list has.
pub fn any(rng: &mut Rng, split: Split) -> String {
    if !split.varies() {
        return common(rng).to_owned();
    }
    match rng.index(4) {
        0 => invented(rng),
        1 | 2 => pieced(rng),
        _ => common(rng).to_owned(),
    }
}

/// Two to four pieces that the tokenizer has, put together. Half of them are short, because a word that no list has
/// is mostly of short ones, which stand in many other words too.
pub fn pieced(rng: &mut Rng) -> String {
    (0..rng.between(2, 4)).map(|_| piece(rng)).collect()
}

fn piece(rng: &mut Rng) -> &'static str {
    if rng.chance(0.5) { rng.text(&PIECES.short) } else { rng.text(&PIECES.small) }
}

/// As [`pieced`], with a first piece that has a capital.
pub fn pieced_name(rng: &mut Rng) -> String {
    let first = rng.text(&PIECES.capital);
    (0..rng.between(0, 2)).fold(first.to_owned(), |word, _| word + piece(rng))
}

struct Pieces {
    short: Vec<&'static str>,
    small: Vec<&'static str>,
    capital: Vec<&'static str>,
}

// Every token of small letters, and every one of a capital before small letters.
static PIECES: LazyLock<Pieces> = LazyLock::new(|| {
    let tokenizer: Value = serde_json::from_str(include_str!("../../../models/bundled/tokenizer.json"))
        .expect("the shipped tokenizer is JSON");
    let vocabulary = tokenizer["model"]["vocab"].as_object().expect("it has a vocabulary");
    let mut tokens: Vec<&'static str> = vocabulary.keys().map(|token| &*token.to_owned().leak()).collect();
    tokens.sort_unstable();
    let all_small = |token: &str| token.bytes().all(|b| b.is_ascii_lowercase());
    let (small, others): (Vec<_>, Vec<_>) = tokens.into_iter().partition(|token| all_small(token));
    let capital = others
        .into_iter()
        .filter(|token| token.starts_with(|c: char| c.is_ascii_uppercase()) && all_small(&token[1..]));
    let short = small.iter().copied().filter(|token| token.len() < 3).collect();
    Pieces { short, small, capital: capital.collect() }
});

static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let held_out = ["machine", "train", "recipe", "museum", "project", "vessel"];
    include_str!("../../data/english.txt")
        .split_whitespace()
        .filter(|word| word.len() >= 4 && !word.ends_with('s') && !held_out.contains(word))
        .collect()
});

/// A date as it is written in a sentence.
pub fn date(rng: &mut Rng) -> String {
    let (day, month, year) = (rng.between(1, 28), rng.index(12), rng.between(1990, 2030));
    match rng.index(4) {
        0 => format!("{year}-{:02}-{day:02}", month + 1),
        1 => format!("{} {day}", MONTHS[month]),
        2 => format!("{day} {} {year}", MONTHS[month]),
        _ => format!("{day} {}", MONTHS[month]),
    }
}

/// A price with its currency sign or word.
pub fn price(rng: &mut Rng) -> String {
    let whole = if rng.chance(0.5) { rng.between(1, 99) } else { rng.between(100, 2000) };
    if rng.chance(0.4) { format!("{whole}.{:02}", rng.between(0, 99)) } else { whole.to_string() }
}

/// An e-mail address.
pub fn email(rng: &mut Rng, split: Split) -> String {
    let first = first_name(rng, split).to_lowercase();
    let host = match rng.index(6) {
        0 => "mail".to_owned(),
        1 => "example".to_owned(),
        2 => "post".to_owned(),
        _ => invented(rng),
    };
    let end = rng.pick(&["com", "org", "net", "io", "de", "fr", "co.uk"]);
    match rng.index(4) {
        0 => format!("{first}.{}@{host}.{end}", name(rng, split, SURNAMES).to_lowercase()),
        1 => format!("{first}{}@{host}.{end}", rng.between(1, 99)),
        _ => format!("{first}@{host}.{end}"),
    }
}
