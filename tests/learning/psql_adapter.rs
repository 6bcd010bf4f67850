//! The demo's lesson: the SQL commands that psql's own help explains. An adapter learns them, answers
//! phrasings that it never saw, and a control that was trained on shuffled answers does not.

use crate::harness::{Connection, Server, count, is_full, psql, root};

/// A server whose tables hold the lesson, made by the demo's own scripts.
async fn lesson(commands: usize) -> (Server, Connection) {
    let server = Server::start().await;
    let port = server.postgres().port().to_string();
    let csv = tokio::process::Command::new(root().join("demo/psql_commands"))
        .args(["-h", "127.0.0.1", "-U", "hyprstream", "-d", "hyprstream", "-p", &port])
        .output()
        .await
        .expect("the script runs");
    assert!(csv.status.success(), "{}", String::from_utf8_lossy(&csv.stderr));
    std::fs::write(server.files().join("psql_commands.csv"), csv.stdout).expect("the file");
    let made = psql(&server).arg("-f").arg(root().join("demo/lesson.sql")).output().await.expect("psql runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let connection = server.connect().await;
    let all = connection.number("SELECT count(*) FROM sql_commands").await;
    assert!(all > 150.0, "psql explains only {all} commands");
    connection
        .run(&format!(
            "CREATE TABLE taught AS SELECT command, description FROM sql_commands ORDER BY md5(command) \
             LIMIT {commands}"
        ))
        .await;
    (server, connection)
}

/// Trains `name` on the answers of `source (command, description)`.
async fn train(connection: &Connection, name: &str, source: &str) {
    let epochs = count("HYPRSTREAM_ADAPTER_EPOCHS", 30, 12);
    connection
        .run(&format!(
            "CALL train_adapter(name => '{name}', training_data_query => 'SELECT replace(phrasing, ''{{}}'', \
             command) AS prompt, description AS completion FROM {source} CROSS JOIN phrasings WHERE NOT held_out', \
             r => 16, lora_alpha => 32, learning_rate => 0.003, epochs => {epochs}, batch_size => 32, seed => 1)"
        ))
        .await;
}

/// The share of exact answers on the trained or on the held-out phrasings.
async fn exact(connection: &Connection, adapter: &str, held_out: bool) -> f64 {
    connection
        .number(&format!(
            "SELECT avg(CASE WHEN generate(replace(phrasing, '{{}}', command), adapter => '{adapter}', \
             max_tokens => 64) = description THEN 1.0 ELSE 0.0 END) \
             FROM taught CROSS JOIN phrasings WHERE held_out = {held_out}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_learns_psqls_help_and_a_shuffled_control_does_not() {
    let commands = count("HYPRSTREAM_ADAPTER_COMMANDS", 24, 1000);
    let (_server, connection) = lesson(commands).await;
    connection
        .run(
            "CREATE TABLE shuffled AS SELECT l.command, r.description FROM \
             (SELECT command, row_number() OVER (ORDER BY command) AS n FROM taught) l JOIN \
             (SELECT description, row_number() OVER (ORDER BY md5(command || 'x')) AS n FROM taught) r ON l.n = r.n",
        )
        .await;
    train(&connection, "sql_help", "taught").await;
    train(&connection, "control", "shuffled").await;
    let (trained, held_out) =
        (exact(&connection, "sql_help", false).await, exact(&connection, "sql_help", true).await);
    let control = exact(&connection, "control", true).await;
    println!(
        "{} commands: exact on trained phrasings {trained:.3}, on held-out phrasings {held_out:.3}, \
         shuffled control on held-out phrasings {control:.3}",
        if is_full() { "all".to_owned() } else { commands.to_string() }
    );
    assert!(trained >= 0.95, "{trained} of the trained pairs are answered exactly");
    assert!(held_out >= 0.80, "{held_out} of the held-out phrasings are answered exactly");
    assert!(control < 0.10, "the shuffled control answers {control} of them");
}
