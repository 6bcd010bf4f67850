//! The Flight SQL server, through arrow-flight's own `FlightSQL` client.

use std::time::{Duration, Instant};

use arrow_flight::sql::client::FlightSqlServiceClient;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Float32Type;
use datafusion::arrow::util::display::array_value_to_string;
use futures::{StreamExt, TryStreamExt};
use tonic::transport::Channel;

use super::streaming::{LONG, assert_streams, first_comes_early};
use crate::harness::{Server, create_lessons, training_call};

/// A `FlightSQL` client of the server.
async fn client(server: &Server) -> FlightSqlServiceClient<Channel> {
    let channel = Channel::from_shared(format!("http://{}", server.flight()))
        .expect("an address")
        .connect()
        .await
        .expect("the Flight SQL server accepts a connection");
    FlightSqlServiceClient::new(channel)
}

/// The batches of a statement, each with the moment it arrived.
async fn batches(client: &mut FlightSqlServiceClient<Channel>, sql: &str) -> Vec<(Duration, RecordBatch)> {
    let start = Instant::now();
    let info = client.execute(sql.to_owned(), None).await.unwrap_or_else(|e| panic!("{sql}\n  failed: {e}"));
    let mut received = Vec::new();
    for endpoint in info.endpoint {
        let ticket = endpoint.ticket.expect("an endpoint has a ticket");
        let mut stream = client.do_get(ticket).await.unwrap_or_else(|e| panic!("{sql}\n  failed: {e}"));
        while let Some(batch) = stream.next().await {
            let batch = batch.unwrap_or_else(|e| panic!("{sql}\n  failed: {e}"));
            if batch.num_rows() > 0 {
                received.push((start.elapsed(), batch));
            }
        }
    }
    received
}

/// When each row of a statement arrived, counted from its start.
async fn arrivals(mut client: FlightSqlServiceClient<Channel>, sql: String) -> Vec<Duration> {
    let received = batches(&mut client, &sql).await;
    received.iter().flat_map(|(time, batch)| std::iter::repeat_n(*time, batch.num_rows())).collect()
}

/// Every value of a statement's rows, as text.
async fn cells(client: &mut FlightSqlServiceClient<Channel>, sql: &str) -> Vec<Vec<String>> {
    let text = |batch: &RecordBatch, row: usize| {
        let cell = |column: &dyn Array| array_value_to_string(column, row).expect("a printable value");
        batch.columns().iter().map(|column| cell(column.as_ref())).collect()
    };
    let received = batches(client, sql).await;
    received.iter().flat_map(|(_, batch)| (0..batch.num_rows()).map(move |row| text(batch, row))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_gives_the_same_answers_as_the_postgres_door() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let mut flight = client(&server).await;
    for sql in [
        "SELECT generate('What is the capital of France?', max_tokens => 16) AS answer",
        "SELECT token_id, token, text FROM generate('What is the capital of Spain?', max_tokens => 16)",
        "SELECT count_tokens('one two three') AS n, detokenize(tokenize('one two three')) AS same",
        "SELECT name FROM models ORDER BY name",
    ] {
        let wire: Vec<Vec<String>> = connection
            .rows(sql)
            .await
            .into_iter()
            .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
            .collect();
        assert!(!wire.is_empty(), "{sql} gave no rows");
        assert_eq!(cells(&mut flight, sql).await, wire, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_streams_tokens_as_they_are_decoded() {
    let server = Server::start().await;
    let mut flight = client(&server).await;
    cells(&mut flight, "SELECT generate('Hello', max_tokens => 1)").await;
    let sql = format!("SELECT token FROM {LONG}");
    assert_streams(|| arrivals(flight.clone(), sql.clone()), first_comes_early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_streams_the_steps_of_a_training_run() {
    let server = Server::start().await;
    create_lessons(&server.connect().await).await;
    let mut flight = client(&server).await;
    let call = training_call("words", "");
    assert_streams(
        || arrivals(flight.clone(), call.clone()),
        |times| times.len() == 40 && times[0] < times[39] / 2,
    )
    .await;
    let answer = cells(
        &mut flight,
        "SELECT generate('What is the code word for tiger?', adapter => 'words', max_tokens => 12)",
    )
    .await;
    assert_eq!(answer, [["marble"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_moves_embeddings_as_fixed_size_lists_of_unit_length() {
    let server = Server::start().await;
    let mut flight = client(&server).await;
    let received = batches(&mut flight, "SELECT embedding FROM embed('a small dog')").await;
    let list = received[0].1.column(0).as_fixed_size_list();
    let values = list.value(0);
    let values = values.as_primitive::<Float32Type>().values();
    let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    assert!((norm - 1.0).abs() < 1e-4, "the norm is {norm}");
    assert_eq!(values.len(), usize::try_from(list.value_length()).expect("a length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_flight_stream_stops_the_decoding() {
    let server = Server::start().await;
    let watcher = server.connect().await;
    let mut flight = client(&server).await;
    let sql = "SELECT g.token FROM generate_series(1, 500) s, LATERAL generate('Once', raw => true, \
               temperature => 10.0, seed => s.value, max_tokens => 300) AS g";
    let info = flight.execute(sql.to_owned(), None).await.expect("it is planned");
    let ticket = info.endpoint[0].ticket.clone().expect("a ticket");
    let mut stream = flight.do_get(ticket).await.expect("it starts");
    stream.try_next().await.expect("a batch").expect("a batch");
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = watcher.statistic("generated_tokens").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = watcher.statistic("generated_tokens").await;
    assert!((after - before).abs() < 0.5, "{} tokens were decoded for nobody", after - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_reports_a_mistake_with_the_name_and_the_nearest_one() {
    let server = Server::start().await;
    let mut flight = client(&server).await;
    let sql = "SELECT generate('Hello', model => 'bundeld')";
    let error = match flight.execute(sql.to_owned(), None).await {
        Err(error) => error.to_string(),
        Ok(info) => {
            let ticket = info.endpoint[0].ticket.clone().expect("a ticket");
            match flight.do_get(ticket).await {
                Err(error) => error.to_string(),
                Ok(stream) => stream.try_collect::<Vec<_>>().await.expect_err("it must fail").to_string(),
            }
        }
    };
    assert!(
        error.contains("bundeld") && error.replace('\\', "").contains("did you mean \"bundled\"?"),
        "{error}"
    );
}
