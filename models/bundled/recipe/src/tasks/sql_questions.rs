//! A question about a small schema as SQL. Tables, phrasings and layouts of the prompt are held out.

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    tasks::sql_phrases::{KINDS, Kind},
    typing::{lightly, lower_first},
    words,
};

// A table, its rows as a noun, its number columns and its text columns.
type Table = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const TABLES: &[Table] = &[
    ("employees", "employees", &["salary", "age", "bonus", "hours"], &["name", "department", "city", "title"]),
    ("customers", "customers", &["age", "balance", "points"], &["name", "country", "city", "email"]),
    ("orders", "orders", &["amount", "quantity", "discount"], &["status", "customer", "product", "country"]),
    ("products", "products", &["price", "stock", "weight", "rating"], &["name", "category", "brand", "color"]),
    ("students", "students", &["age", "grade", "score"], &["name", "school", "city", "subject"]),
    ("books", "books", &["pages", "price", "year"], &["title", "author", "genre", "language"]),
    ("movies", "movies", &["year", "rating", "length", "budget"], &["title", "director", "genre", "studio"]),
    ("cities", "cities", &["population", "area", "altitude"], &["name", "country", "region"]),
    ("flights", "flights", &["price", "distance", "seats", "delay"], &["airline", "origin", "destination", "status"]),
    ("cars", "cars", &["price", "speed", "year", "mileage"], &["brand", "model", "color", "owner"]),
    ("teams", "teams", &["points", "wins", "losses"], &["name", "city", "coach", "league"]),
    ("players", "players", &["goals", "age", "height", "salary"], &["name", "team", "position", "country"]),
    ("songs", "songs", &["length", "year", "plays"], &["title", "artist", "album", "genre"]),
    ("houses", "houses", &["price", "rooms", "area"], &["city", "street", "owner", "type"]),
    ("invoices", "invoices", &["total", "tax", "days"], &["customer", "status", "currency"]),
    ("sales", "sales", &["revenue", "units", "profit"], &["region", "product", "seller", "month"]),
    ("users", "users", &["age", "logins", "score"], &["name", "email", "country", "role"]),
    ("animals", "animals", &["weight", "age", "height"], &["name", "species", "color", "habitat"]),
    ("hotels", "hotels", &["stars", "price", "rooms"], &["name", "city", "country", "owner"]),
    ("rivers", "rivers", &["length", "depth"], &["name", "country", "sea"]),
    ("shops", "shops", &["revenue", "size", "staff"], &["name", "city", "owner", "type"]),
    ("tickets", "tickets", &["priority", "hours", "cost"], &["status", "owner", "team", "type"]),
    ("events", "events", &["visitors", "price", "duration"], &["name", "city", "type", "host"]),
    ("payments", "payments", &["amount", "fee"], &["customer", "method", "status", "currency"]),
    ("courses", "courses", &["credits", "hours", "price"], &["title", "teacher", "room", "level"]),
    ("servers", "servers", &["memory", "load", "cores"], &["name", "region", "owner", "status"]),
    ("patients", "patients", &["age", "weight", "visits"], &["name", "doctor", "city", "ward"]),
    ("planets", "planets", &["mass", "radius", "moons"], &["name", "type", "galaxy"]),
];
const TABLES_HELD_OUT: &[Table] = &[
    ("machines", "machines", &["power", "price", "age"], &["name", "factory", "type"]),
    ("trains", "trains", &["speed", "seats", "delay"], &["name", "origin", "status"]),
    ("recipes", "recipes", &["minutes", "calories"], &["title", "author", "cuisine"]),
    ("museums", "museums", &["visitors", "area", "price"], &["name", "city", "type"]),
    ("projects", "projects", &["budget", "hours", "cost"], &["name", "client", "status"]),
    ("vessels", "vessels", &["length", "weight", "crew"], &["name", "country", "type"]),
];
const VALUES: &[&str] = &[
    "red", "blue", "green", "open", "closed", "active", "new", "old", "north", "south", "small", "large", "jazz", "rock", "drama",
    "Paris", "Berlin", "Oslo", "Madrid", "Smith", "Anna", "Italy", "France", "Japan", "cash", "card", "paid", "late", "admin", "basic",
];
const LAYOUTS: &[&str] = &[
    "Table {s}. {q}", "Table: {s}\nQuestion: {q}", "Table: {s}\nQuestion: {q}\nSQL:", "{s}\n{q}", "Schema: {s}\n{q}", "Schema: {s}\nQuestion: {q}\nSQL:",
    "Given the table {s}, write SQL: {q}", "{q} Table: {s}", "{q}\nTable: {s}", "Write SQL for: {q}\nTable {s}", "SQL for table {s}: {q}", "With {s}: {q}",
    "Using {s}, {q}", "{s} {q}", "{q} ({s})", "write a query. {s}. {q}", "I have a table {s}. {q}", "CREATE TABLE {s}; {q}", "schema {s} query: {q}", "{s} -- {q}",
];
const LAYOUTS_HELD_OUT: &[&str] =
    &["Here is my table: {s}. {q}", "Translate to SQL. Table {s}. {q}", "Table {s}\nWrite the SQL for this question: {q}", "Please answer with SQL. Schema: {s}. {q}"];

/// A schema with a question, and the SQL that answers it.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let mut table = table(rng, split);
    let kind = rng.pick(KINDS);
    let template = *rng.pick(split.of(kind.asked, kind.held_out));
    rng.shuffle(&mut table.columns);
    let schema = schema(rng, &table);
    let (question, sql) = fill(rng, split, &table, kind, template);
    let question = if split == Split::Train && rng.chance(0.3) { lower_first(&question) } else { question };
    let question = if split == Split::Train { lightly(rng, &question) } else { question };
    let layout = rng.pick(split.of(LAYOUTS, LAYOUTS_HELD_OUT));
    Sample::new(layout.replace("{s}", &schema).replace("{q}", &question), sql)
}

/// A question without its schema, and the same in other words; for the paraphrases.
pub fn asked_twice(rng: &mut Rng, split: Split) -> (String, String) {
    let table = table(rng, Split::Train);
    let kind = rng.pick(KINDS);
    let phrasings = split.of(kind.asked, kind.held_out);
    let first = rng.index(phrasings.len());
    let second = (first + 1 + rng.index(phrasings.len() - 1)) % phrasings.len();
    let mut again = rng.clone();
    let (a, _) = fill(rng, split, &table, kind, phrasings[first]);
    let (b, _) = fill(&mut again, split, &table, kind, phrasings[second]);
    (a, b)
}

struct Drawn {
    name: String,
    noun: String,
    // Columns by name, and whether they are numbers.
    columns: Vec<(String, bool)>,
}

fn table(rng: &mut Rng, split: Split) -> Drawn {
    let (name, noun, numbers, texts) = *rng.pick(split.of(TABLES, TABLES_HELD_OUT));
    let mut columns: Vec<(String, bool)> = Vec::new();
    columns.extend(numbers.iter().map(|c| ((*c).to_owned(), true)));
    columns.extend(texts.iter().map(|c| ((*c).to_owned(), false)));
    let mut drawn = Drawn { name: name.to_owned(), noun: noun.to_owned(), columns };
    if split == Split::Train && rng.chance(0.35) {
        // Names that no list has, so that they are copied from the schema.
        drawn.name = format!("{}s", words::invented(rng));
        drawn.noun = drawn.name.clone();
        for column in &mut drawn.columns {
            if rng.chance(0.4) {
                column.0 = words::invented(rng);
            }
        }
    } else if split == Split::Train && rng.chance(0.2) {
        let other = rng.pick(TABLES);
        drawn.name = other.0.to_owned();
        drawn.noun = other.1.to_owned();
    }
    drawn
}

fn schema(rng: &mut Rng, table: &Drawn) -> String {
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

fn fill(rng: &mut Rng, split: Split, table: &Drawn, kind: &Kind, template: &str) -> (String, String) {
    let numbers: Vec<&str> = table.columns.iter().filter(|c| c.1).map(|c| c.0.as_str()).collect();
    let texts: Vec<&str> = table.columns.iter().filter(|c| !c.1).map(|c| c.0.as_str()).collect();
    let compares = kind.sql.contains("{v}") || kind.sql.contains("GROUP BY {C}");
    let either: Vec<&str> = table.columns.iter().map(|c| c.0.as_str()).collect();
    let candidates = match (kind.numeric, compares) {
        (true, _) => &numbers,
        (false, true) => &texts,
        (false, false) => &either,
    };
    let first = candidates.get(rng.index(candidates.len().max(1))).copied().unwrap_or("name");
    let second = texts.iter().copied().filter(|c| *c != first).nth(rng.index(2)).or_else(|| texts.iter().copied().find(|c| *c != first)).unwrap_or("id");
    let number = if kind.sql.contains("LIMIT") { rng.between(2, 20) } else { threshold(rng) };
    let value = if rng.chance(0.5) { (*rng.pick(VALUES)).to_owned() } else { words::city(rng, split) };
    let apply = |text: &str| {
        text.replace("{T}", &table.name)
            .replace("{t}", &table.noun)
            .replace("{C}", first)
            .replace("{c}", first)
            .replace("{D}", second)
            .replace("{d}", second)
            .replace("{n}", &number.to_string())
    };
    // A value is compared as it is written in the question, whatever its case.
    let value = if split == Split::Train && rng.chance(0.3) { value.to_lowercase() } else { value };
    (apply(template).replace("{v}", &value), apply(kind.sql).replace("{v}", &value))
}

fn threshold(rng: &mut Rng) -> u32 {
    match rng.index(3) {
        0 => rng.between(1, 99),
        1 => rng.between(1, 90) * 10,
        _ => rng.between(1, 90) * 100,
    }
}
