//! The program's other commands, run as a person runs them.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Server, hyprstream, program};

/// What a command that must succeed prints on stdout.
async fn printed(directory: &Path, arguments: &[&str]) -> String {
    let output = hyprstream(directory, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {} {error}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_runs_statements_without_a_server() {
    let directory = TempDir::new().expect("a directory");
    let answer = "SELECT generate('What is the capital of France?') AS city";
    let csv = printed(directory.path(), &["sql", "--format", "csv", "-c", answer]).await;
    assert_eq!(csv, "city\nParis\n");
    let json =
        printed(directory.path(), &["sql", "--format", "json", "-c", "SELECT 1 AS a, NULL AS b"]).await;
    assert!(json.contains("\"a\"") && json.contains('1'), "{json}");
    let table = printed(directory.path(), &["sql", "-c", "SELECT 'x' AS letter"]).await;
    assert!(table.contains("letter") && table.contains('x'), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_runs_a_file_and_keeps_what_it_made() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("script.sql");
    std::fs::write(
        &file,
        "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);\nSELECT sum(a) AS s FROM t;\n",
    )
    .expect("the file");
    let path = file.display().to_string();
    let printed_sum = printed(directory.path(), &["sql", "--format", "csv", "-f", &path]).await;
    assert!(printed_sum.ends_with("s\n3\n"), "{printed_sum}");
    assert_eq!(
        printed(directory.path(), &["sql", "--format", "csv", "-c", "SELECT count(*) AS n FROM t"]).await,
        "n\n2\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_use_the_server_that_holds_the_directory() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE shared AS SELECT 7 AS n").await;
    let seen = printed(server.path(), &["sql", "--format", "csv", "-c", "SELECT n FROM shared"]).await;
    assert_eq!(seen, "n\n7\n");
    assert!(printed(server.path(), &["model", "list"]).await.contains("bundled"));
    assert!(printed(server.path(), &["chat", "What is the capital of France?"]).await.contains("Paris"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_go_to_stderr_with_psqls_exit_codes() {
    let directory = TempDir::new().expect("a directory");
    let output = hyprstream(directory.path(), &["sql", "-c", "SELECT * FROM modls"]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("modls") && error.contains("\"models\""), "{error}");
    assert!(output.stdout.is_empty());
    let script = directory.path().join("bad.sql");
    std::fs::write(&script, "SELECT 1;\nSELECT * FROM modls;\n").expect("the file");
    let path = script.display().to_string();
    let output = hyprstream(directory.path(), &["sql", "-f", &path]).await;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_answers_a_prompt_on_stdout() {
    let directory = TempDir::new().expect("a directory");
    let answer = printed(directory.path(), &["chat", "What is the capital of Japan?"]).await;
    assert_eq!(answer.trim(), "Tokyo");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_name_the_commands() {
    let output = Command::new(program()).args(["completions", "bash"]).output().await;
    let output = output.expect("hyprstream can be executed");
    let script = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && script.contains("serve") && script.contains("data-dir"), "{script}");
}
