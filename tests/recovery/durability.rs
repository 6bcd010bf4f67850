//! What a restart keeps.

use crate::harness::{Connection, Server, TrainedServer, exact_share, program};

#[tokio::test(flavor = "multi_thread")]
async fn tables_settings_and_adapters_survive_a_restart() {
    let TrainedServer { connection, server } = TrainedServer::start().await;
    connection
        .run("CREATE TABLE kept AS SELECT value AS n, 'row ' || value AS t FROM generate_series(1, 100)")
        .await;
    connection.run("INSERT INTO kept VALUES (101, NULL)").await;
    connection.run("CREATE TABLE gone (n INT)").await;
    connection.run("DROP TABLE gone").await;
    let server = Server::start_in(server.stop().await).await;
    let connection = server.connect().await;
    let sum = connection.rows("SELECT count(*), sum(n), count(t) FROM kept").await;
    assert_eq!(sum, [["101", "5151", "100"].map(|cell| Some(cell.to_owned()))]);
    assert_eq!(connection.error("SELECT * FROM gone").await.code, "42P01");
    assert!(exact_share(&connection, "words").await > 0.99);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_table_survives_a_restart() {
    let server = Server::start().await;
    std::fs::write(server.files().join("people.csv"), "name,age\nAda,36\nAlan,41\n").expect("the file");
    let connection = server.connect().await;
    connection
        .run(
            "CREATE EXTERNAL TABLE people STORED AS CSV LOCATION 'people.csv' \
             OPTIONS ('format.has_header' 'true')",
        )
        .await;
    assert_eq!(connection.value("SELECT sum(age) FROM people").await, "77");
    let server = Server::start_in(server.stop().await).await;
    assert_eq!(server.connect().await.value("SELECT name FROM people WHERE age > 40").await, "Alan");
}

/// What is sorted already is not sorted again.
async fn expect_order(connection: &Connection) {
    for (key, sorts) in [("n", false), ("t", true)] {
        let plan = format!("EXPLAIN SELECT * FROM sorted ORDER BY {key}");
        let plan = format!("{:?}", connection.rows(&plan).await);
        assert_eq!(plan.contains("SortExec"), sorts, "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_table_keeps_its_order_over_a_restart() {
    let server = Server::start().await;
    std::fs::write(server.files().join("sorted.csv"), "n,t\n1,b\n2,a\n").expect("the file");
    let connection = server.connect().await;
    connection
        .run(
            "CREATE EXTERNAL TABLE sorted (n INT, t TEXT) STORED AS CSV WITH ORDER (n) LOCATION 'sorted.csv'",
        )
        .await;
    expect_order(&connection).await;
    let server = Server::start_in(server.stop().await).await;
    let connection = server.connect().await;
    expect_order(&connection).await;
    assert_eq!(connection.value("SELECT string_agg(t, '' ORDER BY n) FROM sorted").await, "ba");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_outside_the_allowed_directories_are_refused() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let outside = tempfile::NamedTempFile::with_suffix(".csv").expect("a file");
    std::fs::write(outside.path(), "a\n1\n").expect("the file");
    for location in [outside.path().display().to_string(), "../../etc/passwd".to_owned()] {
        let error = connection
            .error(&format!("CREATE EXTERNAL TABLE stolen STORED AS CSV LOCATION '{location}'"))
            .await;
        assert!(error.message.contains("files"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused_with_the_holders_pid() {
    let server = Server::start().await;
    let output = tokio::process::Command::new(program())
        .args(["serve", "--pg", "127.0.0.1:0", "--flight", "off", "--data-dir"])
        .arg(server.path())
        .output()
        .await
        .expect("hyprstream can be executed");
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains(&server.pid().to_string()), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_statement_leaves_nothing_behind() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE numbers (n INT)").await;
    connection.error("INSERT INTO numbers SELECT CAST(t AS INT) FROM (VALUES ('1'), ('x')) AS v (t)").await;
    assert_eq!(connection.value("SELECT count(*) FROM numbers").await, "0");
    connection.error("CREATE TABLE half AS SELECT CAST(t AS INT) FROM (VALUES ('1'), ('x')) AS v (t)").await;
    assert_eq!(connection.error("SELECT * FROM half").await.code, "42P01");
}
