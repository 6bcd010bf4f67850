//! Mistakes: what they are told, and that the session goes on.

use hyprstream_sql::ErrorKind;

use super::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_get_their_kind_and_the_nearest_name() {
    let f = Fixture::new();
    f.rows("CREATE TABLE questions (id INT, body TEXT)").await;
    for (text, kind, message) in [
        (
            "SELECT * FROM question",
            ErrorKind::UndefinedTable,
            "table \"question\" does not exist; did you mean \"questions\"?",
        ),
        (
            "SELECT bodi FROM questions",
            ErrorKind::UndefinedColumn,
            "column \"bodi\" does not exist; did you mean \"body\"?",
        ),
        (
            "SELECT generat('x')",
            ErrorKind::UndefinedFunction,
            "function generat does not exist; did you mean \"generate\"?",
        ),
        (
            "SELECT generate('x', modle => 'm')",
            ErrorKind::UndefinedObject,
            "function generate has no argument \"modle\"; did you mean \"model\"?",
        ),
        (
            "SELECT generate('x', model => 'bundeld')",
            ErrorKind::UndefinedObject,
            "model \"bundeld\" does not exist; did you mean \"bundled\"?",
        ),
        (
            "CALL train_adaptor(name => 'x')",
            ErrorKind::UndefinedFunction,
            "procedure train_adaptor does not exist; did you mean \"train_adapter\"?",
        ),
        (
            "SHOW statement_timeuot",
            ErrorKind::UndefinedObject,
            "unrecognized configuration parameter \"statement_timeuot\"; did you mean \"statement_timeout\"?",
        ),
        (
            "DROP TABLE question",
            ErrorKind::UndefinedTable,
            "table \"question\" does not exist; did you mean \"questions\"?",
        ),
    ] {
        let error = f.error(text).await;
        assert_eq!((error.kind(), error.message()), (kind, message), "{text}");
        assert_eq!(f.value("SELECT 1").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_outside_their_limits_are_named_with_them() {
    let f = Fixture::new();
    for (text, parts) in [
        ("SELECT generate('x', max_tokens => -5)", ["max_tokens", "-5", "between 1 and 1000000"]),
        ("SELECT generate('x', temperature => -0.5)", ["temperature", "-0.5", "between 0 and 10"]),
        ("SELECT generate('x', top_p => 1.5)", ["top_p", "1.5", "above 0 and at most 1"]),
        ("SELECT generate('x', stop => '')", ["stop", "of 0 bytes", "1 to 1024 bytes"]),
        ("SELECT embed('x', dimensions => 100000)", ["dimensions", "100000", "between 1 and 65536"]),
        ("SELECT similarity(ARRAY[1.0, 2.0], ARRAY[1.0])", ["1 dimensions", "2 dimensions", "b"]),
        ("SET hyprstream.max_tokens = 0", ["hyprstream.max_tokens", "\"0\"", "between 1 and 1000000"]),
    ] {
        let error = f.error(text).await;
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{text}: {error}");
        for part in parts {
            assert!(error.message().contains(part), "{text}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_types_and_missing_arguments_are_told_in_one_line() {
    let f = Fixture::new();
    for (text, part) in [
        ("SELECT generate(1)", "argument \"prompt\" must be text, not bigint"),
        (
            "SELECT generate('x', max_tokens => 'many')",
            "argument \"max_tokens\" must be an integer, not text",
        ),
        ("SELECT generate()", "needs the argument \"prompt\""),
        ("SELECT similarity('a', 'b')", "argument \"a\" must be an array of numbers, not text"),
    ] {
        let error = f.error(text).await;
        assert_eq!(error.kind(), ErrorKind::UndefinedFunction, "{text}: {error}");
        assert!(error.message().contains(part), "{text}: {error}");
        assert!(!error.message().contains('\n'), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_failed_takes_only_its_end() {
    let f = Fixture::new();
    f.rows("BEGIN").await;
    f.error("SELECT nothing").await;
    assert_eq!(f.error("SELECT 1").await.kind(), ErrorKind::InFailedTransaction);
    assert_eq!(f.rows("COMMIT").await, [["ROLLBACK"]]);
    assert_eq!(f.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_undoes_nothing_says_so() {
    let f = Fixture::new();
    let mut notices = f.session.take_notices().unwrap();
    f.rows("CREATE TABLE t (a INT); BEGIN; INSERT INTO t VALUES (1); ROLLBACK").await;
    let notice = notices.try_recv().unwrap();
    assert!(notice.message.contains("1 of this block's statements changed data"), "{}", notice.message);
    assert_eq!(f.value("SELECT count(*) FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_cancelled() {
    let f = Fixture::new();
    f.rows("SET statement_timeout = '300ms'").await;
    let error = f.error("SELECT sum(value) FROM generate_series(1, 100000000000)").await;
    assert_eq!(error.kind(), ErrorKind::QueryCanceled);
    f.rows("RESET statement_timeout").await;
    assert_eq!(f.value("SELECT 1").await, "1");
}
