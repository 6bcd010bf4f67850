//! The catalog of tables: what a change leaves behind, and what becomes of files without a table.

use super::{Bench, names, part, set_aside};
use crate::{Engine, Error, StoredPart};

fn rows(parts: &[StoredPart]) -> Vec<u64> {
    parts.iter().map(|part| part.rows).collect()
}

fn parts_of(engine: &Engine, name: &str) -> Vec<StoredPart> {
    engine.tables().table(name).unwrap().unwrap().parts
}

#[test]
fn a_table_survives_a_restart_with_its_parts_in_the_order_of_their_rows() {
    let bench = Bench::new();
    let tables = bench.engine.tables();
    let made =
        tables.put("notes", b"columns", vec![part(&bench.engine, 1, "a"), part(&bench.engine, 2, "b")]);
    let appended = tables.append("notes", part(&bench.engine, 3, "c")).unwrap();
    tables.put("notes2", b"other", Vec::new()).unwrap();
    let bench = bench.reopen();
    let entry = bench.engine.tables().table("notes").unwrap().unwrap();
    let expected: Vec<StoredPart> = made.unwrap().into_iter().chain([appended]).collect();
    assert_eq!((entry.definition.as_slice(), entry.parts), (&b"columns"[..], expected.clone()));
    let content = bench.engine.tables().parts().reader(&expected[2].record).unwrap().read(0..1).unwrap();
    assert_eq!(content, b"c");
    assert_eq!(bench.engine.tables().names().unwrap(), ["notes", "notes2"]);
    assert_eq!(bench.engine.tables().table("note").unwrap(), None);
}

#[test]
fn a_merged_part_stands_where_the_first_of_those_stood_that_it_replaces() {
    let bench = Bench::new();
    let tables = bench.engine.tables();
    let new = |rows| part(&bench.engine, rows, "x");
    tables.put("t", b"", vec![new(1), new(2), new(3), new(4)]).unwrap();
    let before = parts_of(&bench.engine, "t");
    let merged = tables.replace_parts("t", &[before[2].number, before[1].number], Some(new(5))).unwrap();
    assert_eq!(merged.unwrap().number, before[1].number);
    assert_eq!(rows(&parts_of(&bench.engine, "t")), [1, 5, 4]);
    assert_eq!(tables.replace_parts("t", &[before[0].number], None).unwrap(), None);
    assert_eq!(rows(&parts_of(&bench.engine, "t")), [5, 4]);
    let error = tables.replace_parts("t", &[before[3].number, before[2].number], None).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(rows(&parts_of(&bench.engine, "t")), [5, 4]);
    tables.replace_parts("t", &[], Some(new(6))).unwrap();
    assert_eq!(rows(&parts_of(&bench.engine, "t")), [5, 4, 6]);
}

#[test]
fn a_table_that_is_made_again_or_removed_has_none_of_its_parts_left() {
    let bench = Bench::new();
    let tables = bench.engine.tables();
    tables.put("t", b"one", vec![part(&bench.engine, 1, "x")]).unwrap();
    tables.put("t", b"two", vec![part(&bench.engine, 2, "x")]).unwrap();
    assert_eq!(rows(&parts_of(&bench.engine, "t")), [2]);
    assert!(tables.remove("t").unwrap() && !tables.remove("t").unwrap());
    let error = tables.append("t", part(&bench.engine, 3, "x")).unwrap_err();
    assert!(matches!(error, Error::UnknownObject { .. }), "{error}");
    tables.put("t", b"three", Vec::new()).unwrap();
    assert_eq!(parts_of(&bench.engine, "t"), []);
    for name in ["", "a\0b", &"n".repeat(901)] {
        assert!(matches!(tables.put(name, b"", Vec::new()), Err(Error::Argument { .. })), "{name}");
    }
}

#[test]
fn a_file_of_no_table_is_set_aside_and_one_that_a_version_1_definition_names_is_not() {
    let bench = Bench::new();
    let tables = bench.engine.tables();
    tables.put("t", b"", vec![part(&bench.engine, 1, "x")]).unwrap();
    let kept = parts_of(&bench.engine, "t")[0].record.name.clone();
    let definition = br#"{"kind":"stored","schema":"","parts":["old-1.parquet"],"defaults":[]}"#;
    tables.put("old", definition, Vec::new()).unwrap();
    let directory = bench.engine.tables_dir();
    std::fs::write(directory.join("old-1.parquet"), "rows").unwrap();
    std::fs::write(directory.join("stray.parquet"), "rows too").unwrap();
    assert_eq!(tables.set_aside_unreferenced().unwrap(), ["stray.parquet"]);
    assert_eq!(names(&directory), [kept, "old-1.parquet".to_owned()]);
    let stray = set_aside(bench.directory.path(), "tables/stray.parquet");
    assert_eq!(std::fs::read(stray).unwrap(), b"rows too");
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_names_every_damaged_part_and_compacting_empties_what_was_set_aside() {
    let bench = Bench::new();
    let tables = bench.engine.tables();
    for name in ["a", "b", "c"] {
        tables.put(name, b"", vec![part(&bench.engine, 1, name)]).unwrap();
    }
    let file = |name| bench.engine.tables_dir().join(&parts_of(&bench.engine, name)[0].record.name);
    std::fs::write(file("a"), "z").unwrap();
    std::fs::remove_file(file("c")).unwrap();
    let damages = bench.engine.verify_store().await.unwrap().damages;
    let named: Vec<&str> = damages.iter().map(|damage| damage.what.as_str()).collect();
    assert_eq!(named, ["rows of table a", "rows of table c"]);
    assert_eq!(damages[0].file, format!("tables/{}", parts_of(&bench.engine, "a")[0].record.name));
    std::fs::write(bench.engine.tables_dir().join("stray"), "12345").unwrap();
    tables.set_aside_unreferenced().unwrap();
    assert!(set_aside(bench.directory.path(), "tables/stray").exists());
    bench.engine.compact().await.unwrap();
    assert!(names(&bench.directory.path().join("lost+found")).is_empty());
}
