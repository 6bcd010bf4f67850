//! Statements that are prepared before they run, through the extended protocol.

use tokio_postgres::types::Type;

use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_makes_a_table_of_its_parameters() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let client = &connection.client;
    let text = "CREATE TABLE made AS SELECT $1 AS name, $2::BIGINT + 1 AS n, $3 AS x";
    let statement =
        client.prepare_typed(text, &[Type::TEXT, Type::INT8, Type::FLOAT8]).await.expect("it is prepared");
    assert_eq!(statement.params(), [Type::TEXT, Type::INT8, Type::FLOAT8]);
    assert!(statement.columns().is_empty());
    let made = client.execute(&statement, &[&"a'b", &41_i64, &0.5_f64]).await;
    assert_eq!(made.expect("it runs"), 1);
    assert_eq!(connection.value("SELECT name || n || x FROM made").await, "a'b420.5");
    let again = client.execute(&statement, &[&"c", &1_i64, &1.0_f64]).await;
    let code = again.expect_err("the table is there").code().cloned();
    assert_eq!(code.expect("an SQLSTATE").code(), "42P07");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_of_a_made_table_without_a_type_is_text() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let client = &connection.client;
    let statement = client.prepare("CREATE TABLE texts AS SELECT $1 AS t").await.expect("it is prepared");
    assert_eq!(statement.params(), [Type::TEXT]);
    client.execute(&statement, &[&"hello"]).await.expect("it runs");
    assert_eq!(connection.value("SELECT t FROM texts").await, "hello");
    let missing = client.prepare("CREATE TABLE more AS SELECT $1 AS t FROM nowhere").await;
    let code = missing.expect_err("there is no such table").code().cloned();
    assert_eq!(code.expect("an SQLSTATE").code(), "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_gets_a_reason_before_the_connection_ends() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let error = connection.error(&"x".repeat(65 << 20)).await;
    assert_eq!(error.code, "08P01", "{error}");
    assert!(error.message.contains("67108864"), "{error}");
    assert_eq!(server.connect().await.value("SELECT 1").await, "1");
}
