//! A data directory of an earlier version opens in this one with everything that was in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::harness::{Connection, Server, all_output, hyprstream, root};

/// A query and the rows that the program of version 1 gave for it.
struct Answered {
    query: String,
    rows: Vec<String>,
}

fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}

/// What version 1 answered: a block for each query, which is its first line.
fn answered() -> Vec<Answered> {
    let text = fs::read_to_string(golden("data-directory-1.txt")).expect("the answers");
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let mut lines = block.lines().map(str::to_owned);
            Answered { query: lines.next().expect("a query"), rows: lines.collect() }
        })
        .collect()
}

/// The data directory of version 1 as it was left, without the bundled model and what is computed from it.
fn unpacked(state: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let archive = File::open(golden(&format!("data-directory-1-{state}.tar.gz"))).expect("the archive");
    let unpacked = Command::new("tar").arg("-xzC").arg(directory.path()).stdin(archive).status();
    assert!(unpacked.expect("tar can be executed").success());
    directory
}

/// Asks everything again that version 1 was asked.
async fn expect_the_same(connection: &Connection, when: &str) {
    let all = answered();
    assert!(all.len() > 15, "the answers of version 1 are there");
    for Answered { query, rows } in all {
        let answer: Vec<String> = connection.rows(&query).await.iter().map(|row| line(row)).collect();
        assert_eq!(answer, rows, "{when}: {query}");
    }
}

fn line(row: &[Option<String>]) -> String {
    let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
    cells.join("|")
}

/// The one place below `lost+found` to which the catalog was moved.
fn catalog_set_aside(directory: &Path) -> PathBuf {
    let days = fs::read_dir(directory.join("lost+found")).expect("something was set aside");
    let catalogs: Vec<PathBuf> =
        days.flatten().map(|day| day.path().join("catalog")).filter(|path| path.is_dir()).collect();
    assert_eq!(catalogs.len(), 1, "{catalogs:?}");
    catalogs[0].clone()
}

/// Starts this version on a directory of version 1, looks at everything, and goes on working in it.
async fn take_over(state: &str) {
    let directory = unpacked(state);
    let before = fs::read(directory.path().join("catalog/db")).expect("the catalog of version 1");
    let server = Server::start_in(Arc::new(directory)).await;
    let connection = server.connect().await;
    expect_the_same(&connection, "at the first start").await;
    assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
    let catalog = catalog_set_aside(server.path());
    assert_eq!(fs::read(catalog.join("db")).expect("it is kept"), before);
    let marker = fs::read_to_string(server.path().join("hyprstream.json")).expect("the marker");
    assert_eq!(marker, r#"{"version":2}"#);
    drop(connection);

    let server = Server::start_in(server.kill()).await;
    let connection = server.connect().await;
    expect_the_same(&connection, "after a kill").await;
    assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
    go_on(&connection).await;
    drop(connection);

    let server = Server::start_in(server.stop().await).await;
    let connection = server.connect().await;
    expect_changed(&connection).await;
    assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
}

/// Writes to everything that came from version 1.
async fn go_on(connection: &Connection) {
    connection.run("INSERT INTO kinds (id, words) VALUES (6, 'of version 2')").await;
    connection.run("DELETE FROM defaults WHERE id = 1; INSERT INTO defaults (id) VALUES (4)").await;
    connection.run("DROP TABLE squares").await;
    connection.run("SELECT generate('What is the capital of Italy?', session => 'atlas')").await;
    connection.run("CALL restore_adapter(name => 'words', version => 'good')").await;
    connection.run("ALTER SYSTEM SET hyprstream.trajectory_days = 40000").await;
}

async fn expect_changed(connection: &Connection) {
    let words = "SELECT string_agg(id || '=' || coalesce(words, '-'), ' ' ORDER BY id) FROM kinds";
    assert_eq!(connection.value(words).await, "1=one 2=zwei – ü 3=- 4=changed 6=of version 2");
    let status = "SELECT string_agg(id || '=' || status || made, ' ' ORDER BY id) FROM defaults";
    assert_eq!(connection.value(status).await, "2=old7 3=last9 4=new7");
    assert_eq!(connection.error("SELECT * FROM squares").await.code, "42P01");
    assert_eq!(connection.value("SELECT turns FROM sessions WHERE name = 'atlas'").await, "3");
    let newest = "SELECT version FROM adapters WHERE name = 'words' AND is_latest";
    assert_eq!(connection.value(newest).await, "3");
    let answer = "SELECT generate('What is the capital of Japan?', adapter => 'words')";
    assert_eq!(connection.value(answer).await, "Oslo");
    let kept = "SELECT value FROM hyprstream.settings WHERE name = 'hyprstream.trajectory_days'";
    assert_eq!(connection.value(kept).await, "40000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_1_directory_that_was_stopped_is_taken_over() {
    take_over("stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_1_directory_whose_server_was_killed_is_taken_over() {
    take_over("killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_1_directory_without_its_catalog_does_not_start_and_loses_nothing() {
    let directory = unpacked("stopped");
    fs::remove_dir_all(directory.path().join("catalog")).expect("the catalog");
    let parts = || fs::read_dir(directory.path().join("tables")).expect("the tables").count();
    let before = parts();
    let output = hyprstream(directory.path(), &["sql", "-c", "SELECT 1"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", all_output(&output));
    assert!(all_output(&output).contains("catalog"), "{}", all_output(&output));
    assert_eq!(parts(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_version_1_directory_are_salvaged_without_its_catalog() {
    let directory = unpacked("killed");
    fs::remove_dir_all(directory.path().join("catalog")).expect("the catalog");
    let copies = TempDir::new().expect("a directory");
    let into = copies.path().join("salvaged");
    let salvaged = hyprstream(directory.path(), &["salvage", "--to", &into.display().to_string()]).await;
    let printed = all_output(&salvaged);
    assert_eq!(salvaged.status.code(), Some(1), "{printed}");
    assert!(printed.contains("kept 2 versions of adapters and 12 recorded answers"), "{printed}");
    let rows: u64 = printed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("table ")?.split("kept ").nth(1)?.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    // What UPDATE and DELETE replaced was removed by version 1.
    assert_eq!(rows, 4 + 3 + 101 + 2, "{printed}");
    let answer = "SELECT generate('What is the capital of Japan?', adapter => 'words@good') AS a";
    let output = hyprstream(&into, &["sql", "--format", "csv", "-c", answer]).await;
    assert!(all_output(&output).contains("Oslo"), "{}", all_output(&output));
}
