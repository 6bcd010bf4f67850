//! The real psql against the real server.

use std::process::Output;
use std::time::{Duration, Instant};

use tokio::process::Child;

use crate::harness::{Connection, Server, create_lessons, psql};

async fn run(server: &Server, arguments: &[&str]) -> Output {
    psql(server).args(arguments).output().await.expect("psql can be executed")
}

/// What psql prints for a statement that must succeed, without headers and alignment.
async fn answer(server: &Server, sql: &str) -> String {
    let output = run(server, &["-A", "-t", "-c", sql]).await;
    assert!(output.status.success(), "{sql}\n  {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_generates_embeds_and_scores() {
    let server = Server::start().await;
    assert!(
        !answer(&server, "SELECT generate('What is the capital of France?', max_tokens => 12)")
            .await
            .is_empty()
    );
    assert_eq!(answer(&server, "SELECT similarity(embed('a dog'), embed('a dog')) > 0.999").await, "t");
    assert_eq!(answer(&server, "SELECT score('Hello', ' there') < 0").await, "t");
    assert_eq!(answer(&server, "SELECT detokenize(tokenize('Grüße, 世界'))").await, "Grüße, 世界");
    let rows = answer(&server, "SELECT index, token FROM generate('Name a colour.', max_tokens => 3)").await;
    assert!(rows.starts_with("0|"), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backslash_commands_that_people_type_work() {
    let server = Server::start().await;
    answer(&server, "CREATE TABLE pets (name TEXT, age INT)").await;
    for (command, expected) in [
        ("\\dt", "pets"),
        ("\\d pets", "age"),
        ("\\d", "pets"),
        ("\\l", "hyprstream"),
        ("\\dn", "hyprstream"),
        ("\\conninfo", "hyprstream"),
        ("\\h CREATE TABLE", "define a new table"),
    ] {
        let output = run(&server, &["-c", command]).await;
        let (shown, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && shown.contains(expected), "{command}\n{shown}{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_shows_an_error_with_its_state_and_goes_on() {
    let server = Server::start().await;
    let output = psql(&server)
        .args(["-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose", "-A", "-t"])
        .args(["-c", "SELECT generate('x', model => 'bundeld')", "-c", "SELECT 40 + 2"])
        .output()
        .await
        .expect("psql can be executed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("bundeld") && error.contains("bundled\""), "{error}");
    assert!(error.contains("42704") || error.contains("22023"), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_shows_the_notices_of_a_training_run() {
    let server = Server::start().await;
    create_lessons(&server.connect().await).await;
    let call = "CALL train_adapter(name => 'words', training_data_query => 'SELECT prompt, completion FROM lessons', \
                r => 4, epochs => 3, batch_size => 8)";
    let output = run(&server, &["-A", "-t", "-c", call]).await;
    let (rows, notices) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{notices}");
    assert_eq!(rows.lines().count(), 3, "three steps are three rows:\n{rows}");
    assert!(notices.contains("NOTICE:"), "{notices}");
}

/// Presses Ctrl-C once the statement runs, and gives psql's output and how long it took to end.
async fn interrupt(child: Child, watcher: &Connection, counter: &str) -> (Output, Duration) {
    let pid = child.id().expect("psql runs").to_string();
    let begun = watcher.statistic(counter).await;
    for _ in 0..200 {
        if watcher.statistic(counter).await > begun {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = Instant::now();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output = child.wait_with_output().await.expect("psql ends");
    (output, sent.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_psql_stops_a_generation() {
    let server = Server::start().await;
    let watcher = server.connect().await;
    let sql = "SELECT count(generate('Once ' || value, raw => true, temperature => 10.0, seed => value, \
               max_tokens => 400)) FROM generate_series(1, 5000)";
    let child = psql(&server).args(["-c", sql]).spawn().expect("psql can be executed");
    let (output, took) = interrupt(child, &watcher, "generated_tokens").await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cancel"), "{error}");
    assert!(took < Duration::from_millis(1500), "psql was held for {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_psql_stops_a_training_run() {
    let server = Server::start().await;
    let watcher = server.connect().await;
    create_lessons(&watcher).await;
    let call = "CALL train_adapter(name => 'words', training_data_query => 'SELECT prompt, completion FROM lessons', \
                r => 4, epochs => 50000, batch_size => 8)";
    let child = psql(&server).args(["-c", call]).spawn().expect("psql can be executed");
    let (output, took) = interrupt(child, &watcher, "training_steps").await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cancel"), "{error}");
    assert!(took < Duration::from_millis(1500), "psql was held for {took:?}");
    assert_eq!(watcher.value("SELECT count(*) FROM adapters").await, "0");
}
