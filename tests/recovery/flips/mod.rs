//! Damage of any byte of any file of a data directory is reported or harmless: never a wrong row, never fewer rows in
//! silence, never a panic, never a deleted file.

mod database;
mod scratch;
mod tally;
mod verdict;
mod witness;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hyprstream_models::{Architecture, ModelConfig};
use hyprstream_models_testing::random::{small_config, write_model_dir};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use tempfile::TempDir;

use crate::harness::{count, is_full};
use database::{Answers, Opened};
use scratch::{Damage, Scratch};
use tally::{Tally, kind};
use verdict::{Salvaged, Seen, Verdict, judge};

/// How long one damaged directory may take; a lock that is waited for without end is a failure too.
const LIMIT: Duration = Duration::from_mins(2);

/// The smallest model that can answer.
fn tiny_config() -> ModelConfig {
    ModelConfig {
        vocab_size: 300,
        hidden_size: 32,
        intermediate_size: 32,
        num_hidden_layers: 1,
        head_dim: 16,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        eos_token_ids: vec![299],
        ..small_config(Architecture::Qwen3)
    }
}

const STATEMENTS: [&str; 14] = [
    "CREATE TABLE numbers (n BIGINT, t TEXT)",
    "INSERT INTO numbers SELECT value, 'row ' || value FROM generate_series(1, 40)",
    "INSERT INTO numbers VALUES (41, 'alone')",
    "INSERT INTO numbers VALUES (42, NULL), (43, 'last')",
    "CREATE TABLE kinds (id INT, yes BOOLEAN, real8 DOUBLE PRECISION, day DATE, price NUMERIC(12,2), data BYTEA, list INT[])",
    "INSERT INTO kinds VALUES (1, true, 2.5, DATE '2024-02-29', 12.50, '\\x00ff', ARRAY[1,2])",
    "INSERT INTO kinds (id) VALUES (2)",
    "CREATE TABLE plain (id INT NOT NULL, status TEXT DEFAULT 'new')",
    "INSERT INTO plain (id) VALUES (1), (2); DELETE FROM plain WHERE id = 2",
    "CREATE EXTERNAL TABLE people STORED AS CSV LOCATION 'people.csv' OPTIONS ('format.has_header' 'true')",
    "SELECT generate('What is stored?', session => 'talk', max_tokens => 3); \
     SELECT generate('And then?', session => 'talk', max_tokens => 3); SELECT generate('Alone', max_tokens => 3)",
    "CALL train_adapter(name => 'words', training_data_query => 'SELECT ''a'' AS prompt, ''b'' AS completion', r => 1, \
     target_modules => 'v_proj', epochs => 2, learning_rate => 0.1)",
    "CALL tag_adapter(name => 'words@1', tag => 'good'); CALL checkpoint_adapter(name => 'words')",
    "SELECT generate('Alone', adapter => 'words', max_tokens => 3)",
];

/// A closed data directory with something in every part.
async fn small_directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let (model, files) = (directory.path().join("models/tiny"), directory.path().join("files"));
    write_model_dir(&model, &tiny_config(), 7).expect("the model");
    std::fs::create_dir_all(&files).expect("the directory");
    std::fs::write(files.join("people.csv"), "name,age\nAda,36\nAlan,41\n").expect("the file");
    let opened = Opened::try_new(directory.path()).expect("a new data directory");
    for sql in STATEMENTS {
        opened.run(sql).await;
    }
    let vectors = "SELECT count(*) = count(embedding) AND count(*) = 4 FROM trajectories";
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while opened.run(vectors).await != ["true"] {
        assert!(tokio::time::Instant::now() < deadline, "the recorded answers are not embedded");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    opened.run("ALTER SYSTEM SET hyprstream.trajectory_days = 36500").await;
    // What is asked of damaged directories is not to change them.
    opened.run("ALTER SYSTEM SET hyprstream.record_trajectories = off").await;
    opened.close().expect("it closes");
    // The first start of a closed directory may still tidy up.
    open_and_read(directory.path()).await.expect("it opens again");
    directory
}

async fn open_and_read(directory: &Path) -> Result<Answers, String> {
    let opened = Opened::try_new(directory)?;
    let answers = opened.read(true).await;
    opened.close().map(|()| answers)
}

/// Starts, verifies and reads.
async fn start(directory: &Path) -> Seen {
    let opened = match Opened::try_new(directory) {
        Ok(opened) => opened,
        Err(refusal) => return Seen { refusal: Some(refusal), ..Seen::default() },
    };
    let damages = opened.rows("CALL verify_store()").await.unwrap_or_else(|error| vec![error]);
    let answers = opened.read(true).await;
    let damages = damages.into_iter().chain(opened.close().err()).collect();
    Seen { damages, answers, ..Seen::default() }
}

async fn salvage(directory: &Path) -> Salvaged {
    let copies = TempDir::new().expect("a directory");
    let into = copies.path().join("salvaged");
    let salvaged = match hyprstream_engine::salvage(directory, &into) {
        Ok(salvaged) => salvaged,
        Err(error) => return Salvaged::Refused(error.to_string()),
    };
    let mut lost: Vec<String> = salvaged
        .lost
        .iter()
        .map(|lost| format!("{} ({} at {}): {}", lost.what, lost.file, lost.offset, lost.reason))
        .collect();
    match hyprstream_sql::salvage_tables(directory, &into) {
        Ok(tables) => {
            let incomplete =
                tables.iter().filter(|table| table.rows_lost != Some(0) || table.reason.is_some());
            lost.extend(incomplete.map(|table| format!("{table:?}")));
        }
        Err(error) => return Salvaged::Refused(error.message().to_owned()),
    }
    match Opened::try_new(&into) {
        Ok(opened) => Salvaged::Made { lost, answers: opened.read(false).await },
        Err(error) => Salvaged::Unusable(format!("{error}; it said {lost:?}")),
    }
}

/// Damages a file, looks at what comes of it and puts everything back.
async fn try_damage(
    scratch: &mut Scratch,
    expected: &Answers,
    (file, damage): (&Path, Damage),
    with_salvage: bool,
) -> Verdict {
    if !scratch.damage(file, damage) {
        return Verdict::Harmless;
    }
    witness::listen();
    let directory = scratch.path().to_owned();
    let looking = tokio::spawn(async move {
        let salvaged = if with_salvage { Some(salvage(&directory).await) } else { None };
        let before_start = witness::heard();
        let mut seen = start(&directory).await;
        let (logged, panics) = witness::heard();
        seen.panics = [before_start.1, panics].concat();
        seen.logged = logged;
        Seen { salvaged, ..seen }
    });
    let mut seen = match tokio::time::timeout(LIMIT, looking).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(ended)) => {
            Seen { panics: vec![format!("{ended}: {:?}", witness::heard().1)], ..Seen::default() }
        }
        Err(_) => Seen { panics: vec!["it does not come to an end".to_owned()], ..Seen::default() },
    };
    seen.deleted = scratch.deleted(file, damage);
    scratch.put_back();
    judge(expected, &seen, file)
}

/// The damage that is tried on a file of that many bytes.
fn damages(bytes: usize, flips: usize, random: &mut StdRng) -> Vec<Damage> {
    let whole = [Damage::Missing, Damage::Emptied, Damage::Truncated];
    let flips: Vec<usize> =
        if flips >= bytes { (0..bytes).collect() } else { sample(random, bytes, flips).into_vec() };
    whole.into_iter().chain(flips.into_iter().map(Damage::Flipped)).collect()
}

/// How many bytes of a file are flipped. The whole of a large file is under a few hashes or is empty space, so some of its
/// bytes stand for all.
fn flips_in(file: &Path, bytes: usize) -> usize {
    let is_model = file.starts_with("models") || file.starts_with("cache");
    let full = match bytes {
        _ if is_model => 400,
        0..=32_768 => bytes,
        _ => 8192,
    };
    count("HYPRSTREAM_FLIPS", 4, full)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_of_any_byte_is_reported_or_harmless() {
    let directory = small_directory().await;
    let expected = open_and_read(directory.path()).await.expect("it opens");
    for (name, rows) in &expected {
        assert!(rows.as_ref().is_ok_and(|rows| !rows.is_empty()), "{name}: {rows:?}");
    }
    let mut scratch = Scratch::new(directory);
    let mut random = StdRng::seed_from_u64(count("HYPRSTREAM_FLIP_SEED", 1, 1) as u64);
    let mut tally = Tally::default();
    let began = std::time::Instant::now();
    let files: Vec<_> = scratch.files().iter().map(|(file, bytes)| (file.clone(), bytes.len())).collect();
    let mut kinds = BTreeSet::new();
    for (file, bytes) in files {
        // One file of each kind is enough to be quick.
        if !kinds.insert(kind(&file)) && !is_full() {
            continue;
        }
        for (number, damage) in damages(bytes, flips_in(&file, bytes), &mut random).into_iter().enumerate() {
            let with_salvage = !is_full() || number % 8 < 4;
            let verdict = try_damage(&mut scratch, &expected, (file.as_path(), damage), with_salvage).await;
            if std::env::var_os("HYPRSTREAM_SHOW_FLIPS").is_some() {
                println!("{} {damage:?} {verdict:?} after {:?}", file.display(), began.elapsed());
            }
            tally.count(&file, damage, verdict);
        }
        if is_full() {
            println!("{}: {bytes} bytes done", file.display());
        }
    }
    println!("{tally}");
    tally.expect_nothing_forbidden();
}
