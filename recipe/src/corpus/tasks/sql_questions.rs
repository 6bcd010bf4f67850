//! A question about a small schema as SQL. Tables, phrasings and layouts of the prompt are held out.

use std::sync::LazyLock;

use crate::corpus::phrasings::Phrasings;
use crate::corpus::sample::{Sample, Split};
use crate::corpus::typing::{lightly, lower_first};
use crate::corpus::words;
use crate::rng::Rng;

// The headings are the SQL. `{T}` is the table, `{t}` its rows as a noun, `{c}` and `{d}` columns as nouns, `{C}` and
// `{D}` the same columns as they are named, `{n}` a number and `{v}` a word to compare with.
static QUESTIONS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sql.txt")));
static LAYOUTS: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/sql_layouts.txt")));
// A table, its number columns and its text columns.
static TABLES: LazyLock<Phrasings> =
    LazyLock::new(|| Phrasings::parse(include_str!("../../../data/phrasings/tables.txt")));

/// A schema with a question, and the SQL that answers it.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let mut table = table(rng, split);
    let sql = rng.text(QUESTIONS.headings());
    let template = rng.text(QUESTIONS.of(sql, split));
    rng.shuffle(&mut table.columns);
    let schema = schema(rng, &table);
    let (question, sql) = fill(rng, split, &table, sql, template);
    let question = if split.trains() && rng.chance(0.3) { lower_first(&question) } else { question };
    let question = if split.trains() { lightly(rng, &question) } else { question };
    let layout = rng.text(LAYOUTS.of("layouts", split));
    Sample::new(layout.replace("{s}", &schema).replace("{q}", &question), sql)
}

/// A question without its schema, and the same in other words; for the paraphrases.
pub fn asked_twice(rng: &mut Rng, split: Split) -> (String, String) {
    let table = table(rng, Split::Train);
    let sql = rng.text(QUESTIONS.headings());
    let phrasings = QUESTIONS.of(sql, split);
    let first = rng.index(phrasings.len());
    let second = (first + 1 + rng.index(phrasings.len() - 1)) % phrasings.len();
    let mut again = rng.clone();
    let (a, _) = fill(rng, split, &table, sql, phrasings[first]);
    let (b, _) = fill(&mut again, split, &table, sql, phrasings[second]);
    (a, b)
}

struct Table {
    name: String,
    // Columns by name, and whether they are numbers.
    columns: Vec<(String, bool)>,
}

fn table(rng: &mut Rng, split: Split) -> Table {
    let mut fields = rng.text(TABLES.of("tables", split)).split('|');
    let mut drawn = Table { name: fields.next().unwrap_or_default().to_owned(), columns: Vec::new() };
    for (names, number) in fields.zip([true, false]) {
        drawn.columns.extend(names.split(' ').map(|name| (name.to_owned(), number)));
    }
    if split.trains() && rng.chance(0.6) {
        drawn.name = format!("{}s", words::any(rng, split));
        for column in &mut drawn.columns {
            if rng.chance(0.4) {
                column.0 = words::any(rng, split);
            }
        }
        return drawn;
    }
    if split.trains() && rng.chance(0.35) {
        // Names that no list has, so that they are copied from the schema.
        drawn.name = format!("{}s", words::invented(rng));
        for column in &mut drawn.columns {
            if rng.chance(0.4) {
                column.0 = words::invented(rng);
            }
        }
    } else if split.trains() && rng.chance(0.2) {
        let other = rng.text(TABLES.list("tables"));
        other.split('|').next().unwrap_or_default().clone_into(&mut drawn.name);
    }
    drawn
}

fn schema(rng: &mut Rng, table: &Table) -> String {
    let typed = rng.chance(0.3);
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .map(|(name, number)| match (typed, number) {
            (false, _) => name.clone(),
            (true, true) => format!("{name} INT"),
            (true, false) => format!("{name} TEXT"),
        })
        .collect();
    if rng.chance(0.3) {
        columns.insert(0, if typed { "id INT".to_owned() } else { "id".to_owned() });
    }
    let (open, close) = if rng.chance(0.5) { ("(", ")") } else { (" (", ")") };
    format!("{}{open}{}{close}", table.name, columns.join(", "))
}

fn fill(rng: &mut Rng, split: Split, table: &Table, sql: &str, template: &str) -> (String, String) {
    let numbers: Vec<&str> = table.columns.iter().filter(|c| c.1).map(|c| c.0.as_str()).collect();
    let texts: Vec<&str> = table.columns.iter().filter(|c| !c.1).map(|c| c.0.as_str()).collect();
    let compares = sql.contains("{v}") || sql.contains("GROUP BY {C}");
    let either: Vec<&str> = table.columns.iter().map(|c| c.0.as_str()).collect();
    let candidates = match (needs_number(sql), compares) {
        (true, _) => &numbers,
        (false, true) => &texts,
        (false, false) => &either,
    };
    let first = candidates.get(rng.index(candidates.len().max(1))).copied().unwrap_or("name");
    let second = texts
        .iter()
        .copied()
        .filter(|c| *c != first)
        .nth(rng.index(2))
        .or_else(|| texts.iter().copied().find(|c| *c != first))
        .unwrap_or("id");
    let number = if sql.contains("LIMIT") { rng.between(2, 20) } else { threshold(rng) };
    let value =
        if rng.chance(0.5) { rng.text(LAYOUTS.list("values")).to_owned() } else { words::city(rng, split) };
    let apply = |text: &str| {
        text.replace("{T}", &table.name)
            .replace("{t}", &table.name)
            .replace("{C}", first)
            .replace("{c}", first)
            .replace("{D}", second)
            .replace("{d}", second)
            .replace("{n}", &number.to_string())
    };
    // A value is compared as it is written in the question, whatever its case.
    let value = if split.trains() && rng.chance(0.3) { value.to_lowercase() } else { value };
    (apply(template).replace("{v}", &value), apply(sql).replace("{v}", &value))
}

/// Whether `{C}` is computed with or compared by size.
fn needs_number(sql: &str) -> bool {
    ["avg(", "sum(", "max(", "min(", " > ", " < ", "LIMIT"].iter().any(|part| sql.contains(part))
}

fn threshold(rng: &mut Rng) -> u32 {
    match rng.index(3) {
        0 => rng.between(1, 99),
        1 => rng.between(1, 90) * 10,
        _ => rng.between(1, 90) * 100,
    }
}
