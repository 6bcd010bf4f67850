//! The users' tables: made, changed, kept.

use hyprstream_sql::ErrorKind;

use super::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_their_rows_survive_a_restart() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT NOT NULL, name TEXT DEFAULT 'nobody', at TIMESTAMP)").await;
    assert_eq!(
        f.rows("INSERT INTO t VALUES (1, 'one', NULL), (2, 'two', '2024-05-01 10:00:00')").await,
        [["INSERT 0", "2"]]
    );
    assert_eq!(f.rows("INSERT INTO t (id) SELECT id + 10 FROM t").await, [["INSERT 0", "2"]]);
    assert_eq!(f.rows("CREATE TABLE copy AS SELECT id, name FROM t WHERE id < 10").await, [["SELECT", "2"]]);
    f.rows("CREATE TABLE gone (a INT); DROP TABLE gone").await;
    let f = f.reopened();
    assert_eq!(
        f.rows("SELECT * FROM t ORDER BY id").await,
        [
            ["1", "one", "NULL"],
            ["2", "two", "2024-05-01T10:00:00"],
            ["11", "nobody", "NULL"],
            ["12", "nobody", "NULL"],
        ]
    );
    assert_eq!(f.rows("SELECT name FROM copy ORDER BY id").await, [["one"], ["two"]]);
    assert_eq!(f.error("SELECT * FROM gone").await.kind(), ErrorKind::UndefinedTable);
    assert_eq!(f.error("CREATE TABLE t (a INT)").await.kind(), ErrorKind::DuplicateTable);
    assert_eq!(f.error("INSERT INTO t VALUES (NULL, 'x', NULL)").await.kind(), ErrorKind::NotNullViolation);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_updated_and_deleted() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT value AS id, 'n' || value::text AS name FROM generate_series(1, 5)")
        .await;
    assert_eq!(
        f.rows("UPDATE t SET name = upper(t.name), id = id * 10 WHERE id > 3").await,
        [["UPDATE", "2"]]
    );
    assert_eq!(f.rows("DELETE FROM t AS x WHERE x.id = 2 OR x.name = 'n1'").await, [["DELETE", "2"]]);
    assert_eq!(f.rows("SELECT id, name FROM t ORDER BY id").await, [["3", "n3"], ["40", "N4"], ["50", "N5"]]);
    assert_eq!(
        f.error("UPDATE t SET nam = 'x'").await.message(),
        "column \"nam\" of table \"t\" does not exist; did you mean \"name\"?"
    );
    assert_eq!(f.rows("TRUNCATE t").await, [["TRUNCATE TABLE"]]);
    let f = f.reopened();
    assert_eq!(f.value("SELECT count(*) FROM t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_keeps_what_it_began_to_read() {
    use futures::StreamExt;
    use hyprstream_sql::Outcome;

    let f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 100000)").await;
    let statement = f.session.parse("SELECT id FROM t").unwrap().remove(0);
    let Outcome::Rows { mut stream, .. } = f.session.execute(&statement, &[]).await.unwrap() else {
        panic!()
    };
    f.rows("DROP TABLE t").await;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 100_000);
    drop(stream);
    let left = || std::fs::read_dir(f.engine.tables_dir()).unwrap().count();
    // The tasks of the query end on threads of their own.
    for _ in 0..500 {
        if left() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert_eq!(left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_nobody_has_are_set_aside_at_the_start() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT 1 AS a").await;
    let orphan = f.engine.tables_dir().join("left-behind.parquet");
    std::fs::write(&orphan, b"half").unwrap();
    let f = f.reopened();
    assert!(!orphan.exists());
    let days = std::fs::read_dir(f.directory.path().join("lost+found")).unwrap();
    let found: Vec<_> = days.map(|day| day.unwrap().path().join("tables/left-behind.parquet")).collect();
    assert!(found.len() == 1 && found[0].is_file(), "{found:?}");
    assert_eq!(f.value("SELECT a FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_and_written_only_where_they_may_be() {
    let f = Fixture::new();
    let files = f.engine.files_dir();
    std::fs::write(files.join("people.csv"), "id,name\n1,Ada\n2,Grace\n").unwrap();
    f.rows("CREATE EXTERNAL TABLE people STORED AS CSV LOCATION 'people.csv' OPTIONS ('format.has_header' 'true')").await;
    assert_eq!(f.rows("SELECT name FROM people ORDER BY id").await, [["Ada"], ["Grace"]]);
    f.rows("COPY (SELECT * FROM people WHERE id = 2) TO 'out.parquet' STORED AS PARQUET").await;
    f.rows("CREATE EXTERNAL TABLE out STORED AS PARQUET LOCATION 'out.parquet'").await;
    let f = f.reopened();
    assert_eq!(f.rows("SELECT name FROM people ORDER BY id").await, [["Ada"], ["Grace"]]);
    assert_eq!(f.rows("SELECT name FROM out").await, [["Grace"]]);
    for text in [
        "CREATE EXTERNAL TABLE p STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE EXTERNAL TABLE p STORED AS CSV LOCATION '../lock'",
        "COPY people TO '/tmp/stolen.csv' STORED AS CSV",
    ] {
        let kind = f.error(text).await.kind();
        assert!(matches!(kind, ErrorKind::InsufficientPrivilege | ErrorKind::IoError), "{text}: {kind:?}");
    }
    assert_eq!(f.error("SELECT * FROM \"/etc/passwd\"").await.kind(), ErrorKind::UndefinedTable);
}

#[tokio::test(flavor = "multi_thread")]
async fn system_tables_are_there_by_their_bare_names_until_a_user_takes_one() {
    let f = Fixture::new();
    assert_eq!(f.value("SELECT name FROM models WHERE is_default").await, "bundled");
    assert_eq!(f.value("SELECT count(*) FROM hyprstream.adapters").await, "0");
    f.rows("CREATE TABLE sessions (a INT); INSERT INTO sessions VALUES (7)").await;
    assert_eq!(f.rows("SELECT * FROM sessions").await, [["7"]]);
    assert_eq!(f.rows("SELECT * FROM hyprstream.sessions").await.len(), 0);
    assert_eq!(f.error("DROP TABLE models").await.kind(), ErrorKind::InsufficientPrivilege);
    for table in [
        "checkpoints",
        "training_runs",
        "training_steps",
        "trajectories",
        "trajectory_tokens",
        "statistics",
        "grid_statistics",
    ] {
        f.rows(&format!("SELECT * FROM {table}")).await;
    }
}
