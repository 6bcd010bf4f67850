//! Stopping work: Ctrl-C and a client that goes away.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_postgres::SimpleQueryMessage;

use crate::harness::{Connection, Server, create_lessons, training_call};

/// Far longer than a token or a training step takes, far shorter than what is cancelled would take.
const PROMPTLY: Duration = Duration::from_millis(1500);

const MANY: &str = "SELECT count(generate('Once ' || value, raw => true, temperature => 10.0, seed => value, \
                    max_tokens => 400)) FROM generate_series(1, 2000)";

/// Cancels `sql` once `rows` of its rows have come, and says how long the server took to stop.
async fn cancelled_after(connection: &Connection, sql: &str, rows: usize) -> Duration {
    let mut messages = Box::pin(connection.stream(sql).await);
    let mut seen = 0;
    let mut asked = None;
    loop {
        match messages.next().await {
            Some(Ok(SimpleQueryMessage::Row(_))) => seen += 1,
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let code = error.as_db_error().map(|e| e.code().code().to_owned());
                assert_eq!(code.as_deref(), Some("57014"), "{error}");
                return asked.map(|at: Instant| at.elapsed()).expect("it failed before it was cancelled");
            }
            None => panic!("the statement ended although it was cancelled"),
        }
        if seen >= rows && asked.is_none() {
            connection.cancel().await;
            asked = Some(Instant::now());
        }
    }
}

/// Waits until no more tokens are decoded, and panics when that takes too long.
async fn assert_decoding_stops(watcher: &Connection) {
    let start = Instant::now();
    let mut last = -1.0;
    while start.elapsed() < PROMPTLY * 2 {
        let now = watcher.statistic("generated_tokens").await;
        if (now - last).abs() < 0.5 {
            return;
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("tokens were still decoded after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_streamed_generation_stops_it_at_once() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let sql = "SELECT g.token FROM generate_series(1, 500) s, LATERAL generate('Once', raw => true, \
               temperature => 10.0, seed => s.value, max_tokens => 300) AS g";
    let took = cancelled_after(&connection, sql, 5).await;
    assert!(took < PROMPTLY, "it took {took:?}");
    assert_decoding_stops(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_batch_stops_the_decoding_and_leaves_the_connection_usable() {
    let server = Server::start().await;
    let (connection, watcher) = (server.connect().await, server.connect().await);
    let token = connection.client.cancel_token();
    let canceller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("the server takes a cancel request");
        Instant::now()
    });
    let error = connection.error(MANY).await;
    let took = canceller.await.expect("it asked").elapsed();
    assert_eq!(error.code, "57014", "{error}");
    assert!(took < PROMPTLY, "it took {took:?}");
    assert_decoding_stops(&watcher).await;
    assert_eq!(connection.value("SELECT 1 + 1").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_training_run_publishes_nothing_and_the_next_run_works() {
    let server = Server::start().await;
    let connection = server.connect().await;
    create_lessons(&connection).await;
    let long = training_call("words", "").replace("epochs => 40", "epochs => 20000");
    let took = cancelled_after(&connection, &long, 3).await;
    assert!(took < PROMPTLY, "it took {took:?}");
    assert_eq!(connection.value("SELECT count(*) FROM adapters").await, "0");
    // The answer does not wait for the step that is under way.
    let asked = Instant::now();
    let status = "SELECT status FROM training_runs";
    while connection.value(status).await == "running" && asked.elapsed() < PROMPTLY {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connection.value(status).await, "cancelled");
    connection.run(&training_call("words", "").replace("epochs => 40", "epochs => 2")).await;
    assert_eq!(connection.value("SELECT count(*) FROM adapters").await, "1");
}

/// What a client sends to begin a session and run `sql`, without waiting for any answer.
fn session_with(sql: &str) -> Vec<u8> {
    let framed = |body: &[u8]| [&(body.len() as u32 + 4).to_be_bytes(), body].concat();
    let startup = framed(b"\0\x03\0\0user\0hyprstream\0database\0hyprstream\0\0");
    let query = framed(format!("{sql}\0").as_bytes());
    [startup, b"Q".to_vec(), query].concat()
}

/// Waits until more than `tokens` tokens were decoded since the server started.
async fn await_tokens(watcher: &Connection, tokens: f64) -> f64 {
    let start = Instant::now();
    loop {
        let decoded = watcher.statistic("generated_tokens").await;
        if decoded > tokens {
            return decoded;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{decoded} tokens were decoded, and then no more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_stops_its_work() {
    let server = Server::start().await;
    let watcher = server.connect().await;
    let mut socket = TcpStream::connect(server.postgres()).await.expect("the server accepts a connection");
    socket.write_all(&session_with(MANY)).await.expect("the server reads");
    let begun = await_tokens(&watcher, 0.0).await;
    await_tokens(&watcher, begun).await;
    drop(socket);
    assert_decoding_stops(&watcher).await;
    let begun = watcher.value("SELECT count(*) FROM trajectories").await;
    let begun: u32 = begun.parse().expect("a count");
    assert!(begun < 2000, "all {begun} answers were begun");
}
