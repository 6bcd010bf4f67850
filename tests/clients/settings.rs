//! What settings do to a session and to the server.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Server, all_output, create_lessons, hyprstream, training_call};

#[tokio::test(flavor = "multi_thread")]
async fn client_min_messages_says_which_messages_a_session_gets() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    create_lessons(&connection).await;
    let again = "CREATE TABLE IF NOT EXISTS lessons (prompt TEXT)";
    let constrained = |name: &str| format!("CREATE TABLE {name} (n INT PRIMARY KEY)");
    connection.run(again).await;
    connection.run(&constrained("first")).await;
    let heard = connection.notices();
    assert!(heard.iter().any(|message| message.contains("skipping")), "{heard:?}");
    assert!(heard.iter().any(|message| message.contains("not enforced")), "{heard:?}");

    connection.run("SET client_min_messages = warning").await;
    connection.run(again).await;
    connection.run(&constrained("second")).await;
    // The notices of a procedure are notices too.
    connection.run(&training_call("words", ", max_seq_len => 32")).await;
    let heard = connection.notices();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains("not enforced"), "{heard:?}");

    connection.run("SET client_min_messages = error").await;
    connection.run(&constrained("third")).await;
    assert_eq!(connection.notices(), Vec::<String>::new());

    connection.run("RESET client_min_messages").await;
    connection.run(again).await;
    assert_eq!(connection.notices().len(), 1);
}

/// What a statement prints without a server, with an option set.
async fn sql(directory: &Path, option: &str, text: &str) -> (bool, String) {
    let output = hyprstream(directory, &["sql", "--format", "csv", "--set", option, "-c", text]).await;
    (output.status.success(), all_output(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_reads_and_writes_in_the_directories_that_the_configuration_names() {
    let directory = TempDir::new().expect("a directory");
    let (shared, other) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let file = shared.path().join("people.csv");
    std::fs::write(&file, "name,age\nAda,36\n").expect("the file");
    let read = format!(
        "CREATE EXTERNAL TABLE people STORED AS CSV LOCATION '{}' OPTIONS ('format.has_header' 'true'); \
         SELECT age FROM people",
        file.display()
    );
    let (succeeded, said) = sql(directory.path(), "file_directories=", &read).await;
    assert!(!succeeded && said.contains("outside the directories"), "{said}");
    let both = format!("file_directories={}:{}", other.path().display(), shared.path().display());
    let (succeeded, said) = sql(directory.path(), &both, &read).await;
    assert!(succeeded && said.ends_with("age\n36\n"), "{said}");
    let written = other.path().join("out.csv");
    let write = format!("COPY (SELECT 7 AS n) TO '{}'", written.display());
    let (succeeded, said) = sql(directory.path(), &both, &write).await;
    assert!(succeeded, "{said}");
    assert_eq!(std::fs::read_to_string(&written).expect("the file"), "n\n7\n");
    // What is no longer configured is no longer read, by a table that is there either.
    let (succeeded, said) = sql(directory.path(), "file_directories=", "SELECT age FROM people").await;
    assert!(!succeeded && said.contains("outside the directories"), "{said}");
    let missing = format!("file_directories={}", shared.path().join("nowhere").display());
    let (succeeded, said) = sql(directory.path(), &missing, "SELECT 1").await;
    assert!(!succeeded && said.contains("is not a directory"), "{said}");
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

/// Puts a segment of version 1 before the only one: its first record, under another id, as if recorded in January 1970.
fn add_old_segment(directory: &Path) {
    let segment = |number: u64| -> PathBuf { directory.join(format!("trajectories/{number:020}.log")) };
    let newest = std::fs::read(segment(1)).expect("the segment");
    let (header, records) = newest.split_at(16);
    let payload = u32::from_le_bytes(records[..4].try_into().expect("a length")) as usize;
    let mut body = 1_000_000_u64.to_le_bytes().to_vec();
    body.extend_from_slice(&86_400_000_u64.to_le_bytes());
    body.extend_from_slice(&records[24..24 + payload]);
    let header = [&header[..8], &1_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    let old = [&header, &records[..4], &crc32c(&body).to_le_bytes(), &body].concat();
    std::fs::write(segment(0), old).expect("the old segment");
}

#[tokio::test(flavor = "multi_thread")]
async fn trajectory_days_removes_old_answers_at_the_next_start() {
    const COUNT: &str = "SELECT count(*) FROM trajectories";
    let server = Server::start().await;
    server.connect().await.run("SELECT generate('Hello', max_tokens => 4)").await;
    let directory = server.stop().await;
    add_old_segment(directory.path());
    let server = Server::start_in(directory).await;
    let connection = server.connect().await;
    assert_eq!(connection.value(COUNT).await, "2");
    connection.run("ALTER SYSTEM SET hyprstream.trajectory_days = 30").await;
    assert_eq!(connection.value(COUNT).await, "2", "only an opening removes");
    let other = server.connect().await;
    assert_eq!(other.value("SHOW hyprstream.trajectory_days").await, "30");
    let server = Server::start_in(server.stop().await).await;
    let connection = server.connect().await;
    assert_eq!(connection.value("SHOW hyprstream.trajectory_days").await, "30");
    assert_eq!(connection.value(COUNT).await, "1");
    let left = "SELECT extract(year FROM min(created_at)) > 1970 FROM trajectories";
    assert_eq!(connection.value(left).await, "t");
    connection.run("ALTER SYSTEM RESET hyprstream.trajectory_days").await;
    let server = Server::start_in(server.stop().await).await;
    assert_eq!(server.connect().await.value("SHOW hyprstream.trajectory_days").await, "0");
}
