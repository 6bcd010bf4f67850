//! What a generation leaves behind.

use std::time::Duration;

use crate::harness::{Connection, Server};

const QUESTION: &str = "What is the capital of France?";

/// Waits until `count` trajectories can be read.
async fn wait_for_trajectories(connection: &Connection, count: u64) {
    for _ in 0..40 {
        if connection.value("SELECT count(*) FROM trajectories").await == count.to_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{count} trajectories did not appear within two seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trajectory_holds_the_tokens_that_were_answered() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let answer = connection.value(&format!("SELECT generate('{QUESTION}', max_tokens => 16)")).await;
    wait_for_trajectories(&connection, 1).await;
    let row = connection
        .rows(
            "SELECT t.prompt, t.completion, t.completion_tokens, (SELECT count(*) FROM trajectory_tokens k \
             WHERE k.trajectory_id = t.id), m.name FROM trajectories t JOIN models m ON m.hash = t.model_hash",
        )
        .await;
    let cells: Vec<&str> = row[0].iter().map(|cell| cell.as_deref().expect("a value")).collect();
    assert_eq!(cells[0], QUESTION);
    assert_eq!(cells[1], answer);
    assert_eq!(cells[2], cells[3], "the trajectory has as many token rows as it counts");
    assert_eq!(cells[4], "bundled");
    assert!(connection.number("SELECT min(time_to_first_token_ms) FROM trajectories").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_log_probabilities_replay() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let sql = format!("SELECT sum(logprob), count(*) FROM generate('{QUESTION}', max_tokens => 5)");
    let streamed = connection.rows(&sql).await;
    wait_for_trajectories(&connection, 1).await;
    let recorded = connection.number("SELECT sum(logprob) FROM trajectory_tokens").await;
    let streamed: f64 = streamed[0][0].as_deref().expect("a sum").parse().expect("a number");
    assert!((streamed - recorded).abs() < 1e-4, "streamed {streamed}, recorded {recorded}");
    let replayed = connection.number("SELECT score(t.prompt, t.completion) FROM trajectories t").await;
    let tokens = connection.number("SELECT count(*) FROM trajectory_tokens").await;
    assert!((replayed - recorded).abs() < 1e-3 * tokens, "replayed {replayed}, recorded {recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_can_be_turned_off_and_on_again() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("SET hyprstream.record_trajectories = off").await;
    connection.run("SELECT generate('Hello', max_tokens => 4)").await;
    connection.run("SET hyprstream.record_trajectories = on").await;
    connection.run(&format!("SELECT generate('{QUESTION}', max_tokens => 4)")).await;
    wait_for_trajectories(&connection, 1).await;
    assert_eq!(connection.value("SELECT prompt FROM trajectories").await, QUESTION);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dropped_at_a_normal_pace_and_the_counter_says_so() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection
        .run("SELECT count(generate('Say ' || value, max_tokens => 8)) FROM generate_series(1, 50)")
        .await;
    wait_for_trajectories(&connection, 50).await;
    assert!(connection.statistic("dropped_records").await.abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trajectory_is_durable_a_second_after_its_answer() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run(&format!("SELECT generate('{QUESTION}', max_tokens => 8)")).await;
    tokio::time::sleep(Duration::from_millis(1050)).await;
    let server = Server::start_in(server.kill()).await;
    let prompts = server.connect().await.rows("SELECT prompt FROM trajectories").await;
    assert_eq!(prompts, [[Some(QUESTION.to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_limits_on_trajectories_give_the_rows_they_name() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection.run("SELECT generate('Number ' || value, max_tokens => 2) FROM generate_series(1, 9)").await;
    wait_for_trajectories(&connection, 9).await;
    let newest = connection.value("SELECT max(id) FROM trajectories").await;
    assert_eq!(
        connection.rows("SELECT id FROM trajectories ORDER BY id DESC LIMIT 1").await,
        [[Some(newest.clone())]]
    );
    for direction in ["", "DESC"] {
        let ids: Vec<u64> = connection
            .rows(&format!(
                "SELECT id FROM trajectories WHERE id > 0 ORDER BY id {direction} LIMIT 4 OFFSET 2"
            ))
            .await
            .into_iter()
            .map(|row| row[0].as_deref().expect("an id").parse().expect("a number"))
            .collect();
        let newest: u64 = newest.parse().expect("a number");
        let expected: Vec<u64> = match direction {
            "DESC" => (newest - 5..=newest - 2).rev().collect(),
            _ => (newest - 6..=newest - 3).collect(),
        };
        assert_eq!(ids, expected, "ORDER BY id {direction}");
    }
    let one = connection.value(&format!("SELECT count(*) FROM trajectories WHERE id = {newest}")).await;
    assert_eq!(one, "1");
    let tokens = connection
        .value(&format!(
            "SELECT count(DISTINCT trajectory_id) FROM trajectory_tokens WHERE trajectory_id = {newest}"
        ))
        .await;
    assert_eq!(tokens, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_most_like_a_question_is_found_by_embedding_also_after_kill_9() {
    let server = Server::start().await;
    let connection = server.connect().await;
    connection
        .run(
            "SELECT generate(p, max_tokens => 4) FROM (VALUES ('What is the capital of France?'), \
             ('My cat does not eat.'), ('How do I bake bread?'), ('Please count to ten.'), \
             ('Tell me about the sea.'), ('What is the capital of Spain?')) AS v(p)",
        )
        .await;
    for _ in 0..100 {
        if connection.statistic("embedded_trajectories").await > 5.5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let similar = "SELECT prompt, similarity(embedding, embed('What is the capital of Italy?')) \
                   FROM trajectories ORDER BY 2 DESC LIMIT 5";
    let rows = connection.rows(similar).await;
    assert_eq!(rows.len(), 5);
    let mut first: Vec<&str> = rows[..2].iter().filter_map(|row| row[0].as_deref()).collect();
    first.sort_unstable();
    assert_eq!(first, ["What is the capital of France?", "What is the capital of Spain?"]);
    let cosines = |rows: &[Vec<Option<String>>]| -> Vec<f64> {
        let read = |row: &Vec<Option<String>>| row[1].as_deref().expect("a cosine").parse();
        rows.iter().map(|row| read(row).expect("a number")).collect()
    };
    assert!(cosines(&rows).is_sorted_by(|a, b| a >= b), "{rows:?}");
    let server = Server::start_in(server.kill()).await;
    let again = server.connect().await.rows(similar).await;
    let prompts = |rows: &[Vec<Option<String>>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(prompts(&again), prompts(&rows));
    for (again, before) in cosines(&again).iter().zip(cosines(&rows)) {
        assert!((again - before).abs() < 1e-5, "{again}, and {before} before");
    }
}
