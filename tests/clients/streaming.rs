//! Rows reach the client while the next ones are still being made.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_postgres::SimpleQueryMessage;

use crate::harness::{Connection, Server, create_lessons, training_call};

/// A generation that is long because almost every token is equally likely.
pub const LONG: &str = "generate('Once', raw => true, temperature => 10.0, seed => 3, max_tokens => 300)";

/// How often a statement may be asked before its rows count as gathered. A busy machine can hold up the first row
/// of any one statement; a server that gathers its rows holds it up in all of them.
const ATTEMPTS: usize = 5;

/// Asks `statement` until its rows arrive as `streamed` wants them, and fails with the last arrivals if they never do.
pub async fn assert_streams<F, Arrivals>(statement: F, streamed: impl Fn(&[Duration]) -> bool)
where
    F: Fn() -> Arrivals,
    Arrivals: Future<Output = Vec<Duration>>,
{
    let mut times = Vec::new();
    for _ in 0..ATTEMPTS {
        times = statement().await;
        if streamed(&times) {
            return;
        }
    }
    panic!(
        "in none of {ATTEMPTS} statements did the rows stream; in the last, {} rows came in {} lumps, the first after \
         {:?}, the last after {:?}",
        times.len(),
        moments(&times),
        times.first(),
        times.last()
    );
}

/// Whether the rows are more than a hundred and the first came in the first quarter of the time.
pub fn first_comes_early(times: &[Duration]) -> bool {
    times.len() > 100 && times[0] < times[times.len() - 1] / 4
}

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
    let sql = format!("SELECT * FROM {LONG}");
    assert_streams(|| arrivals(&connection, &sql), |times| first_comes_early(times) && moments(times) > 20)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stream_for_every_row_of_a_lateral_join() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE seeds (seed BIGINT)").await;
    connection.run("INSERT INTO seeds VALUES (1), (2)").await;
    let sql = "SELECT s.seed, g.token FROM seeds s, LATERAL generate('Once', raw => true, temperature => 10.0, \
               seed => s.seed, max_tokens => 150) AS g";
    assert_streams(|| arrivals(&connection, sql), first_comes_early).await;
}

/// When each row of a prepared statement arrived, counted from the start of the query.
async fn prepared_arrivals(connection: &Connection, sql: &str) -> Vec<Duration> {
    let start = Instant::now();
    let none: [&str; 0] = [];
    let mut rows = Box::pin(connection.client.query_raw(sql, none).await.expect("the query starts"));
    let mut times = Vec::new();
    while let Some(row) = rows.next().await {
        row.expect("a row");
        times.push(start.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extended_protocol_streams_too() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("SELECT generate('Hello', max_tokens => 1)").await;
    let sql = format!("SELECT token FROM {LONG}");
    assert_streams(|| prepared_arrivals(&connection, &sql), first_comes_early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_run_streams_a_row_a_step_and_notices_with_the_time_left() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    create_lessons(&connection).await;
    let call = training_call("words", "");
    assert_streams(|| arrivals(&connection, &call), |times| times.len() == 40 && times[4] < times[39] / 2)
        .await;
    let notices = connection.notices();
    assert!(notices.iter().any(|text| text.contains("left")), "no notice tells the time left: {notices:?}");
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
    let ids: Vec<usize> =
        rows.iter().map(|row| row[0].as_deref().expect("an id").parse().expect("a number")).collect();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}
