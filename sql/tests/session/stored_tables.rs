//! Parts of tables: damage that is never an answer, merging beside statements, tables of version 1, salvage.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyprstream_sql::{Database, DatabaseOptions, ErrorKind, SalvagedTable, SessionOptions, salvage_tables};

use super::support::Fixture;

fn parts(f: &Fixture) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> =
        fs::read_dir(f.engine.tables_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    parts.sort();
    parts
}

fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << (offset % 8))], offset).unwrap();
}

/// The same directory with nothing in memory of what was read before.
fn fresh(f: Fixture) -> Fixture {
    let Fixture { directory, engine, database, session } = f;
    drop((session, database));
    let database = Database::try_new(Arc::clone(&engine), &DatabaseOptions::default()).unwrap();
    let session = database.session(SessionOptions::default()).unwrap();
    Fixture { directory, engine, database, session }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_of_a_part_is_an_error_or_changes_nothing() {
    let mut f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT value AS id, md5(value::text) AS name, value % 7 AS n FROM generate_series(1, 500)").await;
    let query = "SELECT id, name, n FROM t ORDER BY id";
    let expected = f.rows(query).await;
    let path = parts(&f).remove(0);
    let length = fs::metadata(&path).unwrap().len();
    let mut refused = 0;
    for offset in (0..length).step_by(200) {
        flip(&path, offset);
        f = fresh(f);
        for (query, expected) in
            [(query, &expected), ("SELECT count(*) FROM t", &vec![vec!["500".to_owned()]])]
        {
            match f.try_rows(query).await {
                Ok(rows) => assert_eq!(&rows, expected, "the bit at {offset}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
                    let name = path.file_name().unwrap().to_string_lossy();
                    assert!(
                        error.message().contains("table \"t\"") && error.message().contains(&*name),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        flip(&path, offset);
    }
    assert!(refused > length / 200, "{refused} of {length} bytes");
    f = fresh(f);
    assert_eq!(f.rows(query).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_missing_shorter_or_empty_is_an_error_and_breaks_no_other_table() {
    let mut f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 1000)").await;
    let part = parts(&f).remove(0);
    f.rows("CREATE TABLE other AS SELECT 7 AS a").await;
    let bytes = fs::read(&part).unwrap();
    let damages: [(&str, fn(&Path)); 3] = [
        ("the file is missing", |part| fs::remove_file(part).unwrap()),
        ("it has 0 bytes", |part| fs::write(part, b"").unwrap()),
        ("it has 40 bytes", |part| fs::write(part, &fs::read(part).unwrap()[..40]).unwrap()),
    ];
    for (reason, damage) in damages {
        damage(&part);
        f = fresh(f);
        for query in ["SELECT * FROM t", "SELECT count(*) FROM t", "SELECT id FROM t WHERE id = 5 LIMIT 1"] {
            let error = f.error(query).await;
            assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{query}: {error}");
            assert!(error.message().contains(reason) && error.message().contains("table \"t\""), "{error}");
        }
        assert_eq!(f.value("SELECT a FROM other").await, "7");
        let listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1";
        assert_eq!(f.rows(listed).await, [["other", "a"], ["t", "id"]]);
        let damages = f.rows("CALL verify_store()").await;
        assert_eq!(damages.len(), 1, "{damages:?}");
        assert_eq!(damages[0][0], format!("tables/{}", part.file_name().unwrap().to_string_lossy()));
        assert!(damages[0][3] == "rows of table t" && damages[0][9].contains(reason), "{damages:?}");
        fs::write(&part, &bytes).unwrap();
    }
    // The statistics of its values are known from before, and its rows are not there.
    assert_eq!(f.value("SELECT count(*) FROM t").await, "1000");
    fs::remove_file(&part).unwrap();
    assert_eq!(f.error("SELECT id FROM t WHERE id > 10").await.kind(), ErrorKind::DataCorrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_definition_is_damaged_is_listed_refused_and_can_be_dropped() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT 1 AS a").await;
    f.engine.tables().put("broken", b"{\"kind\":", Vec::new()).unwrap();
    let f = f.reopened();
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    assert_eq!(f.rows(tables).await, [["broken"], ["t"]]);
    let relations = "SELECT relname FROM pg_catalog.pg_class WHERE relname IN ('t', 'broken') ORDER BY 1";
    assert_eq!(f.rows(relations).await, [["broken"], ["t"]]);
    assert_eq!(f.value("SELECT count(*) FROM pg_catalog.pg_attribute WHERE attname = 'a'").await, "1");
    for statement in [
        "SELECT * FROM broken",
        "SELECT a FROM broken",
        "SELECT t.a FROM t JOIN broken b ON b.a = t.a",
        "INSERT INTO broken VALUES (1)",
        "UPDATE broken SET a = 1",
        "DELETE FROM broken",
        "TRUNCATE broken",
    ] {
        let error = f.error(statement).await;
        assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{statement}: {error}");
        assert!(error.message().contains("table \"broken\" cannot be read"), "{statement}: {error}");
    }
    assert_eq!(f.value("SELECT a FROM t").await, "1");
    let damages = f.rows("CALL verify_store()").await;
    assert_eq!((damages.len(), damages[0][3].as_str()), (1, "definition of table broken"));
    f.rows("DROP TABLE broken").await;
    let f = f.reopened();
    assert_eq!(f.rows(tables).await, [["t"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_table_without_its_file_is_listed_and_says_so_until_the_file_is_back() {
    let f = Fixture::new();
    let files = f.engine.files_dir();
    fs::write(files.join("a.csv"), "id\n1\n").unwrap();
    fs::write(files.join("b.csv"), "2\n").unwrap();
    f.rows("CREATE EXTERNAL TABLE a STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.has_header' 'true')")
        .await;
    f.rows("CREATE EXTERNAL TABLE b (n INT) STORED AS CSV LOCATION 'b.csv'").await;
    f.rows("CREATE TABLE t AS SELECT 1 AS x").await;
    fs::remove_file(files.join("a.csv")).unwrap();
    fs::remove_file(files.join("b.csv")).unwrap();
    let listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1";
    for f in [&f, &f.another()] {
        assert_eq!(f.rows(listed).await, [["b", "n"], ["t", "x"]]);
        let tables = "SELECT relname FROM pg_catalog.pg_class WHERE relname IN ('a', 'b', 't') ORDER BY 1";
        assert_eq!(f.rows(tables).await, [["a"], ["b"], ["t"]]);
        for query in ["SELECT * FROM a", "SELECT id FROM a", "SELECT count(*) FROM a", "SELECT n FROM b"] {
            let error = f.error(query).await;
            assert_eq!(error.kind(), ErrorKind::IoError, "{query}: {error}");
            assert!(error.message().contains(".csv: No such file"), "{query}: {error}");
        }
        assert_eq!(f.value("SELECT x FROM t").await, "1");
        assert_eq!(f.rows("CALL verify_store()").await.len(), 0);
    }
    fs::write(files.join("a.csv"), "id\n5\n").unwrap();
    assert_eq!(f.value("SELECT id FROM a").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_inserted_one_by_one_end_in_few_parts_in_their_order() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, name TEXT)").await;
    for id in 0..300 {
        f.rows(&format!("INSERT INTO t VALUES ({id}, 'row {id}')")).await;
    }
    let until = Instant::now() + Duration::from_secs(30);
    while parts(&f).len() > 25 {
        assert!(Instant::now() < until, "{} parts", parts(&f).len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(f.rows("SELECT count(*), sum(id) FROM t").await, [["300", "44850"]]);
    f.rows("CALL compact()").await;
    assert_eq!(parts(&f).len(), 1);
    let in_order: Vec<Vec<String>> = (0..300).map(|id: u32| vec![id.to_string()]).collect();
    assert_eq!(f.rows("SELECT id FROM t").await, in_order);
    let f = f.reopened();
    assert_eq!(f.rows("SELECT id FROM t").await, in_order);
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_makes_no_statement_fail_and_loses_no_row() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, n INT)").await;
    let merging = async {
        for _ in 0..40 {
            f.rows("CALL compact()").await;
        }
    };
    let session = f.another();
    let changing = async {
        for id in 0..40 {
            session.rows(&format!("INSERT INTO t VALUES ({id}, 0)")).await;
            session.rows("UPDATE t SET n = n + 1").await;
        }
        session.rows("DELETE FROM t WHERE id >= 30").await;
    };
    tokio::join!(merging, changing);
    assert_eq!(f.rows("SELECT count(*), sum(n), max(n), min(n) FROM t").await, [["30", "765", "40", "11"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_version_1_is_taken_over_with_its_parts() {
    let f = Fixture::new();
    f.rows("CREATE TABLE now (id INT, name TEXT DEFAULT 'nobody')").await;
    f.rows("INSERT INTO now VALUES (1, 'one'), (2, 'two')").await;
    let (written, tables) = (parts(&f).remove(0), f.engine.tables_dir());
    fs::copy(&written, tables.join("19b0a1c2d3e-4711-0.parquet")).unwrap();
    let definition = f.engine.tables().table("now").unwrap().unwrap().definition;
    let definition = String::from_utf8(definition).unwrap();
    for (name, files) in
        [("old", "\"19b0a1c2d3e-4711-0.parquet\""), ("lost", "\"19b0a1c2d3e-4711-9.parquet\"")]
    {
        let version_1 = definition.replacen("\"defaults\"", &format!("\"parts\":[{files}],\"defaults\""), 1);
        f.engine.tables().put(name, version_1.as_bytes(), Vec::new()).unwrap();
    }
    let mut f = f.reopened();
    for _ in 0..2 {
        assert_eq!(f.rows("SELECT * FROM old ORDER BY id").await, [["1", "one"], ["2", "two"]]);
        let error = f.error("SELECT count(*) FROM lost").await;
        assert_eq!(error.kind(), ErrorKind::DataCorrupted);
        assert!(error.message().contains("19b0a1c2d3e-4711-9.parquet"), "{error}");
        let entry = f.engine.tables().table("old").unwrap().unwrap();
        assert_eq!(entry.parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [2]);
        assert!(!String::from_utf8(entry.definition).unwrap().contains("parts"));
        f = f.reopened();
    }
    f.rows("INSERT INTO old (id) VALUES (3)").await;
    assert_eq!(f.value("SELECT name FROM old WHERE id = 3").await, "nobody");
}

/// Closes the database and salvages its tables into a directory that has its catalog, or an empty one.
fn salvaged(f: Fixture, with_catalog: bool) -> (Vec<SalvagedTable>, Fixture) {
    let directory = f.closed();
    let into = tempfile::tempdir().unwrap();
    if with_catalog {
        for entry in fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("tables") && !path.ends_with("hyprstream.lock") {
                copy(&path, &into.path().join(path.file_name().unwrap()));
            }
        }
        fs::create_dir(into.path().join("tables")).unwrap();
    }
    let tables = salvage_tables(directory.path(), into.path()).unwrap();
    (tables, Fixture::open(into))
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            copy(&path, &to.join(path.file_name().unwrap()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn kept(name: &str, rows_kept: u64) -> SalvagedTable {
    SalvagedTable { name: name.to_owned(), rows_kept, rows_lost: Some(0), reason: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_keeps_whole_tables_and_the_whole_row_groups_of_a_damaged_part() {
    let f = Fixture::new();
    f.rows("CREATE TABLE big AS SELECT value AS id FROM generate_series(1, 400000)").await;
    let big = parts(&f).remove(0);
    f.rows("CREATE TABLE small AS SELECT value AS id FROM generate_series(1, 100)").await;
    let length = fs::metadata(&big).unwrap().len();
    flip(&big, length / 2);
    let (tables, f) = salvaged(f, true);
    let [big, small] = tables.as_slice() else { panic!("{tables:?}") };
    assert_eq!(small, &kept("small", 100));
    assert_eq!((big.name.as_str(), big.rows_kept, big.rows_lost), ("big", 268_928, Some(131_072)));
    assert!(big.reason.as_ref().is_some_and(|reason| reason.contains("checksum")), "{big:?}");
    assert_eq!(f.value("SELECT count(DISTINCT id) FROM big").await, "268928");
    assert_eq!(f.rows("SELECT count(*), sum(id) FROM small").await, [["100", "5050"]]);
    assert_eq!(f.rows("CALL verify_store()").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_makes_tables_from_their_parts_alone() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, name TEXT DEFAULT 'nobody'); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        .await;
    let before = parts(&f);
    let replaced: Vec<Vec<u8>> = before.iter().map(|part| fs::read(part).unwrap()).collect();
    f.rows("UPDATE t SET name = 'c' WHERE id = 2; INSERT INTO t VALUES (3, 'd')").await;
    f.rows("CREATE TABLE damaged AS SELECT 1 AS a").await;
    let damaged = parts(&f).pop().unwrap();
    // A part that a reader still had when the process ended.
    for (part, bytes) in before.iter().zip(&replaced) {
        fs::write(part, bytes).unwrap();
    }
    f.rows("COPY (SELECT 5 AS x) TO 'part.parquet' STORED AS PARQUET").await;
    let version_1 = f.engine.tables_dir().join("19b0a1c2d3e-4711-0.parquet");
    fs::rename(f.engine.files_dir().join("part.parquet"), version_1).unwrap();
    flip(&damaged, 10);
    let (tables, f) = salvaged(f, false);
    let summary: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.rows_kept, t.rows_lost)).collect();
    let expected = [("damaged", 0, None), ("recovered_1", 1, Some(0)), ("t", 3, Some(0))];
    assert_eq!(summary, expected, "{tables:?}");
    assert_eq!(f.value("SELECT x FROM recovered_1").await, "5");
    assert_eq!(f.rows("SELECT * FROM t ORDER BY id").await, [["1", "a"], ["2", "c"], ["3", "d"]]);
    f.rows("INSERT INTO t (id) VALUES (4)").await;
    assert_eq!(f.value("SELECT name FROM t WHERE id = 4").await, "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_written_where_sql_may_write_and_restored_with_its_rows() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 50)").await;
    let rows = f.rows("CALL backup(to => 'copy')").await;
    assert_eq!(rows[0][0], "copy");
    f.rows("DELETE FROM t").await;
    for to in ["/", "../../elsewhere", "missing/copy"] {
        let kind = f.error(&format!("CALL backup(to => '{to}')")).await.kind();
        let is_refused = matches!(
            kind,
            ErrorKind::InsufficientPrivilege | ErrorKind::IoError | ErrorKind::InvalidParameter
        );
        assert!(is_refused, "{to}: {kind:?}");
    }
    let into = tempfile::tempdir().unwrap();
    let restored = into.path().join("data");
    hyprstream_engine::restore(&f.engine.files_dir().join("copy"), &restored).unwrap();
    drop(f);
    let engine = hyprstream_engine::Engine::open(hyprstream_engine::EngineOptions::new(&restored)).unwrap();
    let database = Database::try_new(Arc::clone(&engine), &DatabaseOptions::default()).unwrap();
    let session = database.session(SessionOptions::default()).unwrap();
    let f = Fixture { directory: into, engine, database, session };
    assert_eq!(f.rows("SELECT count(*), sum(id) FROM t").await, [["50", "1275"]]);
}
