//! How much room rows take: what they need, not what was written on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Connection, Server, count, is_full};

/// What is written beside the rows of any table, whatever their number: the empty weight store, the log, the index.
const FIXED_BYTES: u64 = 1 << 20;
/// Files of a table whose parts are being merged.
const MOST_FILES: usize = 64;

/// The bytes and the files below a part of a data directory.
fn measured(directory: &Path) -> (u64, usize) {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            let below = measured(&entry.path());
            bytes += below.0;
            files += below.1;
        } else {
            // A part that was merged may go meanwhile.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            files += 1;
        }
    }
    (bytes, files)
}

/// The data directory without its models.
fn stored(data_dir: &Path) -> (u64, usize) {
    let parts = ["grid", "tables", "trajectories", "index", "lost+found"];
    parts.iter().map(|part| measured(&data_dir.join(part))).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// Waits until nothing changes any more: the merges in the background are done.
async fn settled(data_dir: &Path) -> (u64, usize) {
    let began = Instant::now();
    let mut last = stored(data_dir);
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        assert!(began.elapsed() < Duration::from_mins(5), "the merges do not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = stored(data_dir);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

/// A text of a hundred bytes that does not compress to nothing.
fn text(number: usize) -> String {
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut digits = String::new();
    while digits.len() < 100 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        digits.push_str(&format!("{:012x}", state >> 16));
    }
    digits.truncate(100);
    digits
}

async fn insert(connection: &Connection, from: usize, to: usize) {
    for number in from..to {
        connection.run(&format!("INSERT INTO filled VALUES ({number}, '{}')", text(number))).await;
    }
}

fn report(what: &str, (bytes, files): (u64, usize), rows: u64) {
    println!(
        "{what}: {bytes} bytes in {files} files, {:.2} times the rows' own",
        bytes as f64 / rows.max(1) as f64
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn single_row_inserts_take_at_most_three_times_their_rows_and_a_drop_gives_it_back() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let empty = stored(server.path());
    report("an empty directory", empty, 0);
    connection.run("CREATE TABLE filled (n BIGINT, t TEXT)").await;
    let steps =
        if is_full() { vec![8_000, 100_000] } else { vec![count("HYPRSTREAM_INSERTS", 2_000, 2_000)] };
    let mut inserted = 0;
    for rows in steps {
        let began = Instant::now();
        insert(&connection, inserted, rows).await;
        inserted = rows;
        let own = rows as u64 * 108;
        println!("{rows} single-row INSERTs in {:.1} s, {own} bytes of rows", began.elapsed().as_secs_f64());
        report("at once", stored(server.path()), own);
        let (bytes, files) = settled(server.path()).await;
        report("after the merges", (bytes, files), own);
        assert_eq!(connection.value("SELECT count(DISTINCT n) FROM filled").await, rows.to_string());
        assert!(bytes <= 3 * own + FIXED_BYTES, "{bytes} bytes for rows of {own}");
        assert!(files <= MOST_FILES, "{files} files");
        assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
    }
    connection.run("DROP TABLE filled").await;
    connection.run("CALL compact()").await;
    let (bytes, files) = settled(server.path()).await;
    report("after DROP and compact", (bytes, files), 0);
    assert!(bytes <= empty.0 + FIXED_BYTES, "{bytes} bytes are left of {}", empty.0);
    assert_eq!(measured(&server.path().join("tables")).1, 0, "no part of a dropped table is left");
}
