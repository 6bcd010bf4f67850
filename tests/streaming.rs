//! Rows reach the client while the next ones are still being made.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_postgres::SimpleQueryMessage;

use crate::harness::{Connection, Server, create_lessons, training_call};

/// A generation that is long because almost every token is equally likely.
pub const LONG: &str = "generate('Once', raw => true, temperature => 10.0, seed => 3, max_tokens => 300)";

/// When each row arrived, counted from the start of the query.
async fn arrivals(connection: &Connection, sql: &str) -> Vec<Duration> {
    let start = Instant::now();
    let mut messages = Box::pin(connection.stream(sql).await);
    let mut times = Vec::new();
    while let Some(message) = messages.next().await {
        if let SimpleQueryMessage::Row(_) = message.expect("the query succeeds") {
            times.push(start.elapsed());
        }
    }
    times
}

/// How many different moments the rows arrived in, a moment being a millisecond.
fn moments(times: &[Duration]) -> usize {
    let mut milliseconds: Vec<u128> = times.iter().map(Duration::as_millis).collect();
    milliseconds.dedup();
    milliseconds.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_arrives_before_the_last_is_decoded() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("SELECT generate('Hello', max_tokens => 1)").await;
    let times = arrivals(&connection, &format!("SELECT * FROM {LONG}")).await;
    assert!(times.len() > 100, "only {} tokens came", times.len());
    let (first, last) = (times[0], times[times.len() - 1]);
    assert!(
        first < last / 4,
        "the first of {} tokens came after {first:?} of {last:?}",
        times.len()
    );
    assert!(
        moments(&times) > 20,
        "the tokens came in {} lumps",
        moments(&times)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stream_for_every_row_of_a_lateral_join() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE seeds (seed BIGINT)").await;
    connection.run("INSERT INTO seeds VALUES (1), (2)").await;
    let sql = "SELECT s.seed, g.token FROM seeds s, LATERAL generate('Once', raw => true, temperature => 10.0, \
               seed => s.seed, max_tokens => 150) AS g";
    let times = arrivals(&connection, sql).await;
    assert!(times.len() > 100, "only {} tokens came", times.len());
    assert!(
        times[0] < times[times.len() - 1] / 4,
        "nothing came before {:?}",
        times[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extended_protocol_streams_too() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("SELECT generate('Hello', max_tokens => 1)").await;
    let start = Instant::now();
    let none: [&str; 0] = [];
    let sql = format!("SELECT token FROM {LONG}");
    let mut rows = Box::pin(
        connection
            .client
            .query_raw(&sql, none)
            .await
            .expect("the query starts"),
    );
    let mut times = Vec::new();
    while let Some(row) = rows.next().await {
        row.expect("a row");
        times.push(start.elapsed());
    }
    assert!(times.len() > 100, "only {} tokens came", times.len());
    assert!(
        times[0] < times[times.len() - 1] / 4,
        "nothing came before {:?}",
        times[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_run_gives_a_row_a_step_as_it_happens_and_notices_with_the_time_left() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    create_lessons(&connection).await;
    let times = arrivals(&connection, &training_call("words", "")).await;
    assert_eq!(times.len(), 40);
    assert!(
        times[4] < times[39] / 2,
        "the fifth of 40 steps came after {:?} of {:?}",
        times[4],
        times[39]
    );
    let notices = connection.notices();
    assert!(
        notices.iter().any(|text| text.contains("left")),
        "no notice tells the time left: {notices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_batch_arrive_in_their_order() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let rows = connection
        .rows(
            "SELECT id, generate('Count ' || id, raw => true, temperature => 3.0, seed => id, \
             max_tokens => 1 + (40 - id)) FROM (SELECT value AS id FROM generate_series(1, 40)) ORDER BY id",
        )
        .await;
    let ids: Vec<usize> = rows
        .iter()
        .map(|row| row[0].as_deref().expect("an id").parse().expect("a number"))
        .collect();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}
