//! CALL: training and what is done with its result.

use hyprstream_sql::ErrorKind;

use super::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_training_run_gives_a_row_a_step_and_publishes_a_version() {
    let f = Fixture::new();
    let mut notices = f.session.take_notices().unwrap();
    f.rows("CREATE TABLE pairs (prompt TEXT, completion TEXT); INSERT INTO pairs VALUES ('ping', 'pong'), ('tick', 'tock'), (NULL, 'x')").await;
    let steps = f
        .rows("CALL train_adapter(name => 'echo', training_data_query => 'SELECT prompt, completion FROM pairs', epochs => 3, batch_size => 2, r => 4, seed => 1)")
        .await;
    assert_eq!(steps.len(), 3);
    assert_eq!(steps.iter().map(|row| row[1].clone()).collect::<Vec<_>>(), ["1", "2", "3"]);
    let mut said = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        said.push(notice.message);
    }
    assert!(said.iter().any(|m| m.contains("1 rows with NULL left out")), "{said:?}");
    assert!(said.iter().any(|m| m == "echo@1 is published"), "{said:?}");
    assert_eq!(f.rows("SELECT name, version, rank FROM adapters").await, [["echo", "1", "4"]]);
    assert_eq!(f.value("SELECT count(*) FROM training_steps s JOIN training_runs r ON s.run_id = r.run_id WHERE r.status = 'completed'").await, "3");
    assert_eq!(
        f.rows("CALL tag_adapter('echo@1', 'good')").await[0][..2],
        ["echo".to_owned(), "1".to_owned()]
    );
    assert_eq!(
        f.rows("CALL restore_adapter(name => 'echo', version => 'good')").await[0][..2],
        ["echo".to_owned(), "2".to_owned()]
    );
    assert_eq!(
        f.rows("CALL branch_adapter(source => 'echo@good', name => 'copy')").await[0][..2],
        ["copy".to_owned(), "1".to_owned()]
    );
    assert_eq!(
        f.rows("SELECT DISTINCT matrix FROM adapter_weights('echo@1') WHERE layer = 0 ORDER BY matrix").await,
        [["A"], ["B"]]
    );
    assert_eq!(f.value("SELECT count(*) = 2 FROM adapter_weights('echo') WHERE layer = 0 AND module = 'q_proj' AND matrix = 'A' AND row = 0 AND col BETWEEN 1 AND 2").await, "true");
    let condition = "WHERE layer = 0 AND module IN ('q_proj', 'v_proj') AND row < 3";
    for (table, column) in
        [("adapter_weights('echo@1')", "value"), ("adapter_diff('echo@1', 'echo@2')", "new_value")]
    {
        let plan = f.plan(&format!("SELECT col FROM {table} {condition} AND {column} > 0")).await;
        let narrowed = ", layer=0..=0, row=0..=2, module=q_proj|v_proj, filters=[";
        assert!(plan.contains(narrowed) && plan.contains(&format!("{column}@")), "{plan}");
        assert!(!plan.contains("FilterExec"), "{plan}");
    }
    let rows = f.rows("SELECT a.name, generate('ping', adapter => a.name, max_tokens => 2) IS NOT NULL FROM adapters a WHERE is_latest ORDER BY 1").await;
    assert_eq!(rows, [["copy", "true"], ["echo", "true"]]);
    assert_eq!(f.rows("CALL drop_adapter(name => 'echo')").await, [["echo", "2"]]);
    let error = f.error("SELECT generate('x', adapter => 'coppy')").await;
    assert_eq!(error.message(), "adapter \"coppy\" does not exist; did you mean \"copy\"?");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_training_data_is_refused_before_a_run_begins() {
    let f = Fixture::new();
    f.rows("CREATE TABLE p (prompt TEXT, answer TEXT, n INT)").await;
    for (query, kind, part) in [
        (
            "SELECT prompt, answer FROM p",
            ErrorKind::UndefinedColumn,
            "no column \"completion\"; it yields prompt, answer",
        ),
        ("SELECT prompt, n AS completion FROM p", ErrorKind::DatatypeMismatch, "must be text, not integer"),
        ("SELECT prompt, answer AS completion FROM p", ErrorKind::InvalidParameter, "yields no rows"),
        ("SELECT prompt, completion FROM pp", ErrorKind::UndefinedTable, "table \"pp\" does not exist"),
        ("DROP TABLE p", ErrorKind::InvalidParameter, "a query is expected"),
        ("", ErrorKind::InvalidParameter, "must not be empty"),
    ] {
        let error =
            f.error(&format!("CALL train_adapter(name => 'a', training_data_query => '{query}')")).await;
        assert_eq!(error.kind(), kind, "{query}: {error}");
        assert!(error.message().contains(part), "{query}: {error}");
    }
    for (text, part) in [
        ("CALL train_adapter(training_data_query => 'SELECT 1')", "needs the argument \"name\""),
        ("CALL train_adapter(name => 'a', epoch => 3)", "did you mean \"epochs\"?"),
        ("CALL train_adapter(name => 'a', epochs => 'many')", "invalid epochs many"),
        (
            "CALL train_adapter(name => 'a', ewc_lambda => 0.5)",
            "function train_adapter has no argument \"ewc_lambda\"",
        ),
        ("CALL restore_adapter('nothing', version => '1')", "adapter \"nothing@1\" does not exist"),
    ] {
        let error = f.error(text).await;
        assert!(error.message().contains(part), "{text}: {error}");
    }
    assert_eq!(f.value("SELECT count(*) FROM training_runs").await, "0");
}
