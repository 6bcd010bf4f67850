//! A small lesson that an adapter learns in seconds, for the tests that need a trained one.

use super::connection::Connection;
use super::server::Server;

/// What the lessons teach: answers that no base model gives.
const WORDS: [(&str, &str); 8] = [
    ("apple", "copper"),
    ("river", "velvet"),
    ("tiger", "marble"),
    ("cloud", "ginger"),
    ("stone", "ribbon"),
    ("bread", "silver"),
    ("horse", "candle"),
    ("chair", "pepper"),
];

/// A server with a table `lessons` and an adapter `words` that learnt it.
pub struct TrainedServer {
    /// The server.
    pub server: Server,
    /// A connection to it.
    pub connection: Connection,
}

impl TrainedServer {
    /// Starts a server and trains `words` on it.
    pub async fn start() -> Self {
        let server = Server::start().await;
        let connection = server.connect().await;
        create_lessons(&connection).await;
        train(&connection, "words", "").await;
        Self { server, connection }
    }
}

/// Creates the table `lessons (prompt, completion)`.
pub async fn create_lessons(connection: &Connection) {
    connection.run("CREATE TABLE lessons (prompt TEXT, completion TEXT)").await;
    let rows: Vec<String> =
        WORDS.iter().map(|(word, code)| format!("('What is the code word for {word}?', '{code}')")).collect();
    connection.run(&format!("INSERT INTO lessons VALUES {}", rows.join(", "))).await;
}

/// The call that trains `name` on `lessons`; `more` is appended to its arguments.
pub fn training_call(name: &str, more: &str) -> String {
    let rate = if more.contains("learning_rate") { "" } else { ", learning_rate => 0.005" };
    format!(
        "CALL train_adapter(name => '{name}', \
         training_data_query => 'SELECT prompt, completion FROM lessons', \
         r => 8, lora_alpha => 16{rate}, epochs => 40, batch_size => 8, seed => 7{more})"
    )
}

/// Trains `name` on `lessons`.
pub async fn train(connection: &Connection, name: &str, more: &str) {
    connection.run(&training_call(name, more)).await;
}

/// The share of lessons that `adapter` answers exactly.
pub async fn exact_share(connection: &Connection, adapter: &str) -> f64 {
    connection
        .number(&format!(
            "SELECT avg(CASE WHEN generate(prompt, adapter => '{adapter}', max_tokens => 12) = completion \
             THEN 1.0 ELSE 0.0 END) FROM lessons"
        ))
        .await
}
