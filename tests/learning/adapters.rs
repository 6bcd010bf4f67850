//! Training, versions and weights, by SQL alone.

use crate::harness::{Server, TrainedServer, create_lessons, exact_share, train};

const QUESTION: &str = "What is the code word for tiger?";

/// How many rows differ between the weights of two adapters.
fn differing_weights(left: &str, right: &str) -> String {
    format!(
        "SELECT count(*) FROM adapter_weights('{left}') l \
         FULL JOIN adapter_weights('{right}') r ON l.layer = r.layer AND l.module = r.module \
         AND l.matrix = r.matrix AND l.row = r.row AND l.col = r.col \
         WHERE l.value IS DISTINCT FROM r.value"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_answers_what_it_was_taught_and_the_base_does_not() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    assert!(exact_share(&connection, "words").await > 0.99);
    let base = connection
        .number("SELECT count(*) FROM lessons WHERE generate(prompt, max_tokens => 12) = completion")
        .await;
    assert!(base < 0.5, "the base already knew {base} of the lessons, so they prove nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taught_completion_is_more_likely_under_its_adapter() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    let gain = connection
        .number(&format!(
            "SELECT score('{QUESTION}', 'marble', adapter => 'words') - score('{QUESTION}', 'marble')"
        ))
        .await;
    assert!(gain > 3.0, "training raised the completion's log-probability by only {gain} nats");
    let likelihood =
        connection.number(&format!("SELECT score('{QUESTION}', 'marble', adapter => 'words')")).await;
    assert!((-1.0..=0.0).contains(&likelihood), "the log-probability is {likelihood}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_chooses_its_own_adapter() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    connection.run("CREATE TABLE other (prompt TEXT, completion TEXT)").await;
    connection.run("INSERT INTO other SELECT prompt, 'quartz' FROM lessons").await;
    connection
        .run(
            "CALL train_adapter(name => 'stones', training_data_query => 'SELECT prompt, completion FROM other', \
             r => 4, learning_rate => 0.005, epochs => 15, batch_size => 8, seed => 1)",
        )
        .await;
    let rows = connection
        .rows(&format!(
            "SELECT a.name, generate('{QUESTION}', adapter => a.name, max_tokens => 12) FROM \
             (VALUES (1, 'words'), (2, 'stones'), (3, 'words@1'), (4, 'stones')) AS a (id, name) ORDER BY a.id"
        ))
        .await;
    let answers: Vec<&str> = rows.iter().map(|row| row[1].as_deref().expect("an answer")).collect();
    assert_eq!(answers, ["marble", "quartz", "marble", "quartz"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_weights_and_another_does_not() {
    let server = Server::start().await;
    let connection = server.connect().await;
    create_lessons(&connection).await;
    for (name, seed) in [("first", 11), ("second", 11), ("third", 12)] {
        connection
            .run(&format!(
                "CALL train_adapter(name => '{name}', \
                 training_data_query => 'SELECT prompt, completion FROM lessons', \
                 r => 4, epochs => 2, batch_size => 4, lora_dropout => 0.1, seed => {seed})"
            ))
            .await;
    }
    assert!(connection.number("SELECT count(*) FROM adapter_weights('first')").await > 1000.0);
    assert_eq!(connection.value(&differing_weights("first", "second")).await, "0");
    assert!(connection.number(&differing_weights("first", "third")).await > 1000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_has_learnt_nothing_answers_exactly_as_the_base() {
    let server = Server::start().await;
    let connection = server.connect().await;
    create_lessons(&connection).await;
    train(&connection, "blank", ", learning_rate => 0.0").await;
    let moved = "SELECT count(*) FROM adapter_weights('blank') WHERE matrix = 'B' AND value <> 0";
    assert_eq!(connection.value(moved).await, "0");
    // One row at a time, so that both sides are decoded in batches of the same shape.
    for row in connection.rows("SELECT prompt, completion FROM lessons").await {
        let (prompt, completion) = (row[0].as_deref().expect("a prompt"), row[1].as_deref().expect("a word"));
        for call in
            [format!("score('{prompt}', '{completion}'"), format!("generate('{prompt}', max_tokens => 24")]
        {
            let base = connection.value(&format!("SELECT {call})")).await;
            let blank = connection.value(&format!("SELECT {call}, adapter => 'blank')")).await;
            assert_eq!(blank, base, "{call}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_version_answers_again_and_older_versions_never_change() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    connection.run("CREATE TABLE wrong AS SELECT prompt, 'nothing' AS completion FROM lessons").await;
    connection
        .run(
            "CALL train_adapter(name => 'words', training_data_query => 'SELECT prompt, completion FROM wrong', \
             r => 8, learning_rate => 0.005, epochs => 15, batch_size => 8, seed => 2)",
        )
        .await;
    assert!(exact_share(&connection, "words").await < 0.01, "the second version was taught to be wrong");
    assert!(exact_share(&connection, "words@1").await > 0.99, "the first version must still answer");
    connection.run("CALL restore_adapter(name => 'words', version => 1)").await;
    assert!(exact_share(&connection, "words").await > 0.99);
    assert_eq!(connection.value(&differing_weights("words@1", "words@3")).await, "0");
    let newest = "SELECT max(version) FROM adapters WHERE name = 'words'";
    assert_eq!(connection.value(newest).await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weights_of_one_matrix_are_its_rank_times_its_width() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    let shape = connection
        .rows(
            "SELECT count(*), max(row) + 1, max(col) + 1 FROM adapter_weights('words@1') \
             WHERE layer = 0 AND module = 'q_proj' AND matrix = 'A'",
        )
        .await;
    let numbers: Vec<u64> =
        shape[0].iter().map(|cell| cell.as_deref().expect("a number").parse().expect("a number")).collect();
    assert_eq!(numbers[1], 8, "A has as many rows as the rank");
    assert_eq!(numbers[0], numbers[1] * numbers[2]);
    let finite = "SELECT count(*) FROM adapter_weights('words') WHERE isnan(value) OR abs(value) > 100";
    assert_eq!(connection.value(finite).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_steps_its_losses_and_what_it_was_made_from() {
    let TrainedServer { connection, server: _server } = TrainedServer::start().await;
    let steps = connection.rows("SELECT step, loss FROM training_steps ORDER BY step").await;
    assert_eq!(steps.len(), 40, "8 rows in batches of 8 over 40 epochs are 40 steps");
    let loss =
        |row: &Vec<Option<String>>| row[1].as_deref().expect("a loss").parse::<f64>().expect("a number");
    assert!(loss(&steps[0]) > 1.0 && loss(&steps[39]) < 0.2, "{} to {}", loss(&steps[0]), loss(&steps[39]));
    let run = connection
        .rows(
            "SELECT a.name, a.version, r.data_query, m.hash = a.base_hash \
             FROM adapters a JOIN training_runs r ON r.run_id = a.run_id JOIN models m ON m.name = 'bundled'",
        )
        .await;
    let cells: Vec<&str> = run[0].iter().map(|cell| cell.as_deref().expect("a value")).collect();
    assert_eq!(cells, ["words", "1", "SELECT prompt, completion FROM lessons", "t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_refused_on_a_base_that_it_was_not_trained_on() {
    let TrainedServer { connection, server } = TrainedServer::start().await;
    let (from, to) = (server.path().join("models/bundled"), server.path().join("models/altered"));
    std::fs::create_dir_all(&to).expect("the directory");
    for entry in std::fs::read_dir(&from).expect("the bundled model is unpacked").flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
    let weights = to.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("the weights");
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).expect("the altered weights");
    let error = connection.error("SELECT generate('Hello', model => 'altered', adapter => 'words')").await;
    assert!(error.message.contains("\"words@1\" was trained on the model with hash"), "{error}");
    assert!(
        !connection.value("SELECT generate('Hello', model => 'altered', max_tokens => 4)").await.is_empty()
    );
}
