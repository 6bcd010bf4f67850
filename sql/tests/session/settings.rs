//! SET, SHOW and what clients ask at their start.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_set_shown_and_reset_in_its_session_alone() {
    let f = Fixture::new();
    let other = f.database.session(hyprstream_sql::SessionOptions::default()).unwrap();
    f.rows("SET hyprstream.max_tokens = 1").await;
    assert_eq!(f.value("SHOW hyprstream.max_tokens").await, "1");
    assert_eq!(f.value("SELECT value FROM settings WHERE name = 'hyprstream.max_tokens'").await, "1");
    assert_eq!(f.value("SELECT current_setting('hyprstream.max_tokens')").await, "1");
    assert_eq!(other.setting("hyprstream.max_tokens").unwrap(), "256");
    assert_eq!(f.rows("SELECT * FROM generate('Tell me about France.')").await.len(), 1);
    f.rows("RESET hyprstream.max_tokens").await;
    assert_eq!(f.value("SHOW hyprstream.max_tokens").await, "256");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_set_and_ask_at_their_start_is_answered() {
    let f = Fixture::new();
    for text in [
        "SET client_encoding TO 'UTF8'",
        "SET extra_float_digits = 3",
        "SET DateStyle TO 'ISO'",
        "SET application_name = 'psql'",
        "SET TIME ZONE 'Europe/Berlin'",
        "SET search_path TO public",
        "SET standard_conforming_strings = on",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "BEGIN; COMMIT",
        "START TRANSACTION; ROLLBACK",
        "DISCARD ALL",
        "RESET ALL",
    ] {
        f.rows(text).await;
    }
    assert!(f.value("SELECT version()").await.starts_with("PostgreSQL 15.0 (hyprstream "));
    assert_eq!(f.value("SELECT pg_catalog.version()").await, f.value("SELECT version()").await);
    assert_eq!(f.value("SELECT current_user").await, "hyprstream");
    assert_eq!(f.value("SELECT current_database()").await, "hyprstream");
    assert_eq!(f.value("SHOW transaction_isolation").await, "read committed");
    assert!(f.rows("SHOW ALL").await.len() > 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_the_types_of_what_they_stand_for() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, name TEXT)").await;
    for (text, types) in [
        ("SELECT generate($1, max_tokens => $2)", vec![DataType::Utf8, DataType::Int64]),
        ("SELECT * FROM t WHERE id = $1 AND name = $2", vec![DataType::Int32, DataType::Utf8]),
        ("INSERT INTO t VALUES ($1, $2)", vec![DataType::Int32, DataType::Utf8]),
        ("SELECT $1", vec![DataType::Utf8]),
        ("CALL tag_adapter($1, tag => $2)", vec![DataType::Utf8, DataType::Utf8]),
    ] {
        let statement = f.session.parse(text).unwrap().remove(0);
        let prepared = f.session.prepare(&statement, &[]).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(prepared.parameter_types, types, "{text}");
    }
    let values = [ScalarValue::from("7"), ScalarValue::from("seven")];
    f.with_parameters("INSERT INTO t VALUES ($1, $2)", &values).await.unwrap();
    let found =
        f.with_parameters("SELECT name FROM t WHERE id = $1", &[ScalarValue::from(7_i64)]).await.unwrap();
    assert_eq!(found, [["seven"]]);
    let values = [ScalarValue::from("hi"), ScalarValue::from(1_i64)];
    let answer = f.with_parameters("SELECT generate($1, max_tokens => $2) IS NOT NULL", &values);
    assert_eq!(answer.await.unwrap(), [["true"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_can_look_around() {
    let f = Fixture::new();
    f.rows("CREATE TABLE notes (id INT, body TEXT)").await;
    let tables = f
        .rows(
            "SELECT n.nspname as \"Schema\", c.relname as \"Name\", \
             CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as \"Type\", \
             pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" \
             FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' \
             AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2;",
        )
        .await;
    assert!(tables.iter().any(|row| row[1] == "notes"), "{tables:?}");
    let columns = f
        .rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'notes' ORDER BY ordinal_position")
        .await;
    assert_eq!(columns, [["id"], ["body"]]);
}
