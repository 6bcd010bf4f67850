//! Backup and restore, as a person runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use crate::harness::{Connection, Server, TrainedServer, all_output, exact_share, hyprstream};

async fn backup(data_dir: &Path, to: &Path) -> Output {
    hyprstream(data_dir, &["backup", "--to", &to.display().to_string()]).await
}

async fn restore(from: &Path, data_dir: &Path) -> Output {
    hyprstream(data_dir, &["restore", "--from", &from.display().to_string()]).await
}

fn expect_success(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, all_output(output));
}

/// Inserts one number after another until its server is gone or `stop` is set.
async fn insert(connection: Connection, acknowledged: Arc<AtomicU64>) {
    for next in 1.. {
        if connection.try_rows(&format!("INSERT INTO numbers VALUES ({next})")).await.is_err() {
            return;
        }
        acknowledged.store(next, Ordering::SeqCst);
    }
}

/// The files below a directory, as seen from it.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("the directory").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(directory).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A restored directory that the test server can be started in.
async fn restored(backup: &Path) -> Arc<TempDir> {
    let directory = TempDir::new().expect("a directory");
    fs::remove_dir(directory.path()).expect("it is empty");
    expect_success(&restore(backup, directory.path()).await);
    Arc::new(directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_a_client_inserts_has_what_was_acknowledged_before_it_and_a_prefix_of_the_rest() {
    let TrainedServer { server, connection } = TrainedServer::start().await;
    fs::write(server.files().join("people.csv"), "name,age\nAda,36\n").expect("the file");
    connection.run("CREATE TABLE numbers (n BIGINT)").await;
    connection.run("SELECT generate('What is the capital of France?', session => 'atlas')").await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let inserting = tokio::spawn(insert(server.connect().await, Arc::clone(&acknowledged)));
    while acknowledged.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    let copies = TempDir::new().expect("a directory");
    let to = copies.path().join("deep/backup");
    let before = acknowledged.load(Ordering::SeqCst);
    let backed_up = backup(server.path(), &to).await;
    let after = acknowledged.load(Ordering::SeqCst);
    expect_success(&backed_up);
    assert!(all_output(&backed_up).contains(&*to.display().to_string()), "{}", all_output(&backed_up));
    assert!(after > before, "inserts went on during the backup");
    assert_eq!(files_below(&server.files()), [PathBuf::from("people.csv")], "nothing is left of the backup");
    drop(server.kill());
    inserting.await.expect("the client fails only because its server is gone");

    let server = Server::start_in(restored(&to).await).await;
    let connection = server.connect().await;
    let row = connection.rows("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM numbers").await;
    let numbers: Vec<u64> = row[0].iter().flatten().map(|cell| cell.parse().expect("a number")).collect();
    let kept = numbers[0];
    assert_eq!(numbers, [kept, kept, 1, kept], "the rows are the first ones that were inserted");
    assert!((before..=after + 1).contains(&kept), "{kept} rows, {before} to {after} were acknowledged");
    assert!(exact_share(&connection, "words").await > 0.99);
    assert_eq!(connection.value("SELECT turns FROM sessions WHERE name = 'atlas'").await, "1");
    let answers = "SELECT count(*) FROM trajectories WHERE session = 'atlas'";
    assert_eq!(connection.value(answers).await, "1");
    assert_eq!(fs::read(server.files().join("people.csv")).expect("the file"), b"name,age\nAda,36\n");
    assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
    connection.run("INSERT INTO numbers VALUES (0)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_a_server_is_restored_with_everything() {
    let TrainedServer { server, connection } = TrainedServer::start().await;
    connection.run("CREATE TABLE kept AS SELECT value AS n FROM generate_series(1, 1000)").await;
    connection.run("INSERT INTO kept VALUES (1001)").await;
    drop(connection);
    let directory = server.stop().await;
    let copies = TempDir::new().expect("a directory");
    let to = copies.path().join("backup");
    expect_success(&backup(directory.path(), &to).await);
    let again = backup(directory.path(), &to).await;
    assert_eq!(again.status.code(), Some(1), "{}", all_output(&again));
    assert!(all_output(&again).contains("already exists"), "{}", all_output(&again));

    let server = Server::start_in(restored(&to).await).await;
    let connection = server.connect().await;
    assert_eq!(connection.value("SELECT sum(n) FROM kept").await, "501501");
    assert!(exact_share(&connection, "words").await > 0.99);
    let taken = restore(&to, server.path()).await;
    assert_eq!(taken.status.code(), Some(1), "{}", all_output(&taken));
    assert_eq!(connection.value("SELECT sum(n) FROM kept").await, "501501");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_a_backup_is_refused_with_the_files_name() {
    let server = Server::start().await;
    let connection = server.connect().await;
    fs::write(server.files().join("people.csv"), "name,age\nAda,36\n").expect("the file");
    connection.run("CREATE TABLE kept AS SELECT value AS n FROM generate_series(1, 100)").await;
    connection.run("SELECT generate('What is the capital of France?')").await;
    let copies = TempDir::new().expect("a directory");
    let to = copies.path().join("backup");
    expect_success(&backup(server.path(), &to).await);
    let files = files_below(&to);
    for part in ["backup.json", "grid", "tables", "trajectories", "files"] {
        assert!(files.iter().any(|file| file.starts_with(part)), "{part} is missing from {files:?}");
    }
    for file in &files {
        let path = to.join(file);
        let whole = fs::read(&path).expect("the file");
        if whole.is_empty() || file.starts_with("models") && whole.len() < 1 << 20 {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x20;
        replace(&path, &damaged);
        let into = copies.path().join("restored");
        let refused = restore(&to, &into).await;
        replace(&path, &whole);
        assert_eq!(refused.status.code(), Some(1), "{}: {}", file.display(), all_output(&refused));
        assert!(all_output(&refused).contains(&*file.display().to_string()), "{}", all_output(&refused));
        assert!(!into.join("hyprstream.json").exists(), "{} leaves no data directory", file.display());
        let _ = fs::remove_dir_all(&into);
    }
    let missing = files.iter().find(|file| file.starts_with("tables")).expect("a part");
    fs::remove_file(to.join(missing)).expect("the part");
    let refused = restore(&to, &copies.path().join("restored")).await;
    assert_eq!(refused.status.code(), Some(1), "{}", all_output(&refused));
    assert!(all_output(&refused).contains(&*missing.display().to_string()), "{}", all_output(&refused));
    let none = restore(&copies.path().join("nowhere"), &copies.path().join("restored")).await;
    assert_eq!(none.status.code(), Some(1), "{}", all_output(&none));
}

/// Puts other bytes in the place of a file, which may be a second name of one of the server's files.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("the file");
    fs::write(path, bytes).expect("the file");
}

#[tokio::test]
async fn what_is_no_data_directory_is_not_made_one_to_back_it_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let (missing, to) = (directory.path().join("misspelt"), directory.path().join("backup"));
    let output = hyprstream(&missing, &["backup", "--to", &to.display().to_string()]).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a data directory"), "{output:?}");
    assert!(!missing.exists() && !to.exists());
}
