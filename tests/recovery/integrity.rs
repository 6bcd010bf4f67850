//! Damage is named and what is whole is kept.

use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::harness::{Connection, Server, TrainedServer, all_output, exact_share, hyprstream};

async fn salvage(from: &Path, to: &Path) -> Output {
    hyprstream(from, &["salvage", "--to", &to.display().to_string()]).await
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the directory");
    for entry in std::fs::read_dir(from).expect("the directory").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("the file");
        }
    }
}

/// Flips a bit of weights of a version, which lie one behind the other in the file as they do in the matrix.
async fn flip_a_bit(connection: &Connection, version: &str, grid: &Path) {
    let weights = format!(
        "SELECT value FROM adapter_weights('{version}') \
         WHERE layer = 1 AND module = 'v_proj' AND matrix = 'A' AND row = 0 ORDER BY col LIMIT 8"
    );
    let weights = connection.rows(&weights).await;
    let bytes: Vec<u8> = weights
        .iter()
        .flat_map(|row| {
            let value: f32 = row[0].as_deref().expect("a value").parse().expect("a number");
            value.to_le_bytes()
        })
        .collect();
    let mut file = std::fs::read(grid).expect("the file");
    let offsets: Vec<usize> =
        (0..file.len() - bytes.len()).filter(|at| file[*at..].starts_with(&bytes)).collect();
    assert_eq!(offsets.len(), 1, "the weights are written once");
    file[offsets[0] + 13] ^= 0x10;
    std::fs::write(grid, file).expect("the file");
}

/// A server with two adapters that share nothing, and a recorded answer.
async fn two_adapters() -> TrainedServer {
    let trained = TrainedServer::start().await;
    let call = "CALL train_adapter(name => 'other', training_data_query => 'SELECT prompt, completion FROM lessons', \
                r => 2, epochs => 1, target_modules => 'q_proj,v_proj', seed => 3)";
    trained.connection.run(call).await;
    let answer = "SELECT generate('What is the capital of France?', adapter => 'other', max_tokens => 4)";
    trained.connection.run(answer).await;
    trained
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_named_and_the_other_adapters_are_salvaged() {
    let TrainedServer { server, mut connection } = two_adapters().await;
    connection.notices();
    assert_eq!(connection.rows("CALL verify_store()").await, Vec::<Vec<_>>::new());
    let heard = connection.notices();
    let pages = heard.iter().find_map(|notice| notice.strip_suffix(" pages checked, no damage"));
    let pages: u64 = pages.expect("a notice").parse().expect("a count");
    assert!(pages > 100, "{heard:?}");
    let answers = connection.number("SELECT count(*) FROM trajectories").await;
    assert!(heard.contains(&format!("{answers} recorded answers checked")), "{heard:?}");

    let copies = TempDir::new().expect("a directory");
    let (damaged, into) = (copies.path().join("damaged"), copies.path().join("salvaged"));
    let held = salvage(server.path(), &into).await;
    assert_eq!(held.status.code(), Some(2), "{}", all_output(&held));
    assert!(all_output(&held).contains("in use by process") && !into.exists(), "{}", all_output(&held));
    let original = server.stop().await;
    copy(original.path(), &damaged);
    let server = Server::start_in(original).await;
    flip_a_bit(&server.connect().await, "words@1", &damaged.join("grid/grid.data")).await;
    drop(server);

    let lost = damage_of(&damaged).await;
    let salvaged = salvage(&damaged, &into).await;
    assert_eq!(salvaged.status.code(), Some(1), "{}", all_output(&salvaged));
    let printed = all_output(&salvaged);
    assert!(printed.contains("lost chunk 0 of words@1/1/v_proj/A (grid/grid.data, "), "{printed}");
    assert!(printed.contains(&format!("at byte {lost}): its checksum does not match")), "{printed}");
    assert!(printed.contains("lost version words@1 "), "{printed}");
    assert!(
        printed.contains(&format!(
            "kept 1 versions of adapters and {} recorded answers",
            // One more was asked for since.
            answers + 1.0
        )),
        "{printed}"
    );
    let second = salvage(&damaged, &into).await;
    assert_eq!(second.status.code(), Some(1), "{}", all_output(&second));
    assert!(all_output(&second).contains("already exists"), "{}", all_output(&second));

    let (succeeded, said) = sql(&into, "SELECT name FROM adapters; SELECT count(*) AS n FROM lessons; \
        SELECT generate('What is the capital of France?', adapter => 'other', max_tokens => 4) IS NOT NULL AS a; \
        CALL verify_store()").await;
    assert!(
        succeeded && said.contains("name\nother\n") && said.contains("n\n8\n") && said.contains("a\nt"),
        "{said}"
    );
    assert!(said.contains("pages checked, no damage"), "{said}");
}

/// Where `verify_store` finds the damage of a directory, which it must name with what it held.
async fn damage_of(directory: &Path) -> u64 {
    let (succeeded, printed) = sql(directory, "CALL verify_store()").await;
    assert!(succeeded, "{printed}");
    let row = printed
        .lines()
        .find(|line| line.starts_with("grid/grid.data,"))
        .unwrap_or_else(|| panic!("no damage in {printed}"));
    let cells: Vec<&str> = row.split(',').collect();
    assert_eq!(
        cells[3..],
        ["chunk 0 of words@1/1/v_proj/A", "words", "1", "1", "v_proj", "A", "its checksum does not match"]
    );
    assert!(printed.contains("pages checked, 1 place is damaged"), "{printed}");
    // What is whole still answers.
    let answer =
        "SELECT generate('What is the capital of France?', adapter => 'other', max_tokens => 4) AS a";
    let (succeeded, printed) = sql(directory, answer).await;
    assert!(succeeded, "{printed}");
    cells[1].parse().expect("an offset")
}

async fn sql(directory: &Path, text: &str) -> (bool, String) {
    let output = hyprstream(directory, &["sql", "--format", "csv", "-c", text]).await;
    (output.status.success(), all_output(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_directory_is_salvaged_as_a_whole() {
    let TrainedServer { server, connection } = TrainedServer::start().await;
    connection.run("CALL checkpoint_adapter(name => 'words')").await;
    connection.run("CALL branch_adapter(source => 'words@1', name => 'copy')").await;
    connection.run("CALL tag_adapter(name => 'words@1', tag => 'good')").await;
    // A run that takes long leaves checkpoints of its own.
    let checkpoints = "SELECT string_agg(id::TEXT, ' ' ORDER BY id) FROM checkpoints";
    let kept = connection.value(checkpoints).await;
    let directory = server.stop().await;
    let copies = TempDir::new().expect("a directory");
    let into: PathBuf = copies.path().join("deep/salvaged");
    let salvaged = salvage(directory.path(), &into).await;
    assert!(salvaged.status.success(), "{}", all_output(&salvaged));
    let printed = String::from_utf8_lossy(&salvaged.stdout);
    assert_eq!(printed, "table lessons: kept 8 rows, lost none\n", "{}", all_output(&salvaged));
    assert!(
        all_output(&salvaged).contains("kept 2 versions of adapters and 0 recorded answers; lost nothing")
    );
    let into = std::sync::Arc::new(move_into_temporary(&into));
    let server = Server::start_in(into).await;
    let connection = server.connect().await;
    assert!(exact_share(&connection, "copy@1").await > 0.99);
    assert!(exact_share(&connection, "words@good").await > 0.99);
    assert_eq!(connection.value(checkpoints).await, kept);
    let newest = kept.rsplit(' ').next().expect("a checkpoint");
    connection.run(&format!("CALL restore_adapter(name => 'words', checkpoint => {newest})")).await;
    let inside = salvage(directory.path(), &directory.path().join("inside")).await;
    assert_eq!(inside.status.code(), Some(1), "{}", all_output(&inside));
    assert!(all_output(&inside).contains("is inside") && !directory.path().join("inside").exists());
    let nothing = TempDir::new().expect("a directory");
    let refused = salvage(nothing.path(), &nothing.path().join("x")).await;
    assert!(all_output(&refused).contains("is not a data directory"), "{}", all_output(&refused));
}

fn move_into_temporary(from: &Path) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    std::fs::remove_dir(directory.path()).expect("it is empty");
    std::fs::rename(from, directory.path()).expect("the directory is moved");
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_rows_stops_nothing_else_and_is_named() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE gone AS SELECT 1 AS a").await;
    let tables = server.path().join("tables");
    let part = std::fs::read_dir(&tables).expect("the directory").flatten().next();
    let part = part.expect("a part").path();
    connection.run("CREATE TABLE kept AS SELECT 2 AS a").await;
    let directory = server.stop().await;
    std::fs::remove_file(&part).expect("the part");

    let copies = TempDir::new().expect("a directory");
    let salvaged = all_output(&salvage(directory.path(), &copies.path().join("salvaged")).await);
    let file = part.file_name().expect("a name").to_string_lossy();
    let gone = salvaged.lines().find(|line| line.starts_with("table gone: kept 0 rows, lost 1: "));
    assert!(gone.is_some_and(|line| line.contains(&*file)), "{salvaged}");
    assert!(salvaged.contains("table kept: kept 1 rows, lost none"), "{salvaged}");
    assert!(salvaged.contains("lost 1 part\n"), "{salvaged}");

    let server = Server::start_in(directory).await;
    let connection = server.connect().await;
    assert_eq!(connection.value("SELECT a FROM kept").await, "2");
    let error = connection.error("SELECT a FROM gone").await;
    assert_eq!(error.code, "XX001", "{error}");
    assert!(error.message.contains("\"gone\"") && error.message.contains(&*file), "{error}");
    std::fs::write(&part, "no Parquet").expect("the part");
    let error = connection.error("SELECT a FROM gone").await;
    assert!(error.code == "XX001" && error.message.contains("\"gone\""), "{error}");
    let damaged = connection.rows("CALL verify_store()").await;
    assert_eq!(damaged.len(), 1);
    assert_eq!(damaged[0][3].as_deref(), Some("rows of table gone"));
    connection.run("DROP TABLE gone").await;
    assert_eq!(connection.rows("CALL verify_store()").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_answers_are_salvaged_without_the_weight_store() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("CREATE TABLE kept (n INT NOT NULL, t TEXT DEFAULT 'new')").await;
    connection.run("INSERT INTO kept VALUES (1, 'one'), (2, 'two')").await;
    connection.run("INSERT INTO kept (n) VALUES (3); UPDATE kept SET t = 'zwei' WHERE n = 2").await;
    connection.run("CREATE TABLE gone AS SELECT 1 AS a").await;
    connection.run("DROP TABLE gone").await;
    connection.run("SELECT generate('What is the capital of France?')").await;
    let directory = server.stop().await;
    std::fs::remove_dir_all(directory.path().join("grid")).expect("the weight store");

    let (succeeded, refused) = sql(directory.path(), "SELECT 1").await;
    assert!(!succeeded && refused.contains("has lost grid/grid.data"), "{refused}");
    let copies = TempDir::new().expect("a directory");
    let into = copies.path().join("salvaged");
    let salvaged = salvage(directory.path(), &into).await;
    let printed = all_output(&salvaged);
    assert_eq!(salvaged.status.code(), Some(1), "{printed}");
    assert!(printed.contains("table kept: kept 3 rows, lost "), "{printed}");
    assert!(printed.contains("grid/grid.data"), "{printed}");
    let text = "INSERT INTO kept (n) VALUES (4); \
                SELECT string_agg(n || t, ' ' ORDER BY n) AS rows FROM kept; \
                SELECT count(*) AS answers FROM trajectories; SELECT * FROM gone";
    let (_, said) = sql(&into, text).await;
    assert!(said.contains("rows\n1one 2zwei 3new 4new\n") && said.contains("answers\n1\n"), "{said}");
    assert!(said.contains("\"gone\""), "a dropped table stays dropped: {said}");
}
