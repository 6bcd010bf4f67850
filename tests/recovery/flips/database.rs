//! A database in this process, and all that can be read of one as text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use hyprstream_engine::{Engine, EngineOptions};
use hyprstream_sql::{Database, DatabaseOptions, Outcome, Session, SessionOptions};

/// What is read of a data directory, under a name that a failure shows. The order matters: an answer may be recorded.
pub const READ: [(&str, &str); 16] = [
    ("numbers", "SELECT n, t FROM numbers ORDER BY n"),
    ("kinds", "SELECT * FROM kinds ORDER BY id"),
    ("plain", "SELECT id, status FROM plain ORDER BY id"),
    (PEOPLE, "SELECT name, age FROM people ORDER BY age"),
    (SETTINGS, "SELECT name, value FROM hyprstream.settings WHERE name LIKE 'hyprstream.%' ORDER BY name"),
    ("sessions", "SELECT name, model, turns, prompt_tokens, created_at FROM sessions ORDER BY name"),
    (
        "trajectories",
        "SELECT id, created_at, session, model, model_hash, adapter, parameters, prompt, completion, token_ids, \
         logprobs, prompt_tokens, total_ms, finish_reason, provenance FROM trajectories ORDER BY id",
    ),
    (VECTORS, "SELECT id, embedding FROM trajectories ORDER BY id"),
    (
        "adapters",
        "SELECT name, version, tags, base_hash, hash, train_loss FROM adapters ORDER BY name, version",
    ),
    ("weights", "SELECT * FROM adapter_weights('words@1') ORDER BY layer, module, matrix, row, col"),
    ("checkpoints", "SELECT id, adapter, step, loss, has_optimizer FROM checkpoints ORDER BY id"),
    ("training_runs", "SELECT run_id, adapter, version, status, data_query, train_loss FROM training_runs"),
    ("training_steps", "SELECT run_id, step, loss FROM training_steps ORDER BY run_id, step"),
    (MODELS, "SELECT name, hash, error FROM models ORDER BY name"),
    ("answer", "SELECT generate('What is stored?', max_tokens => 4) AS answer"),
    (
        "answer of words",
        "SELECT generate('What is stored?', adapter => 'words@1', max_tokens => 4) AS answer",
    ),
];
/// The table over a file that is not the program's.
pub const PEOPLE: &str = "people";
/// The vectors of recorded answers.
pub const VECTORS: &str = "embeddings";
/// The settings.
pub const SETTINGS: &str = "settings";
/// The models with their hashes.
pub const MODELS: &str = "models";

/// The rows of each of [`READ`], or why they could not be read.
pub type Answers = BTreeMap<&'static str, Result<Vec<String>, String>>;

/// An open data directory.
pub struct Opened {
    engine: Arc<Engine>,
    session: Session,
}

impl Opened {
    /// Opens a directory as the server does.
    pub fn try_new(directory: &Path) -> Result<Self, String> {
        let options = EngineOptions {
            default_model: Some("tiny".to_owned()),
            threads: Some(1),
            training_threads: Some(1),
            context_length: Some(128),
            ..EngineOptions::new(directory)
        };
        let engine = Engine::open(options).map_err(|error| error.to_string())?;
        let database = Database::try_new(Arc::clone(&engine), &DatabaseOptions::default());
        let database = database.map_err(|error| error.message().to_owned())?;
        let session = database.session(SessionOptions::default());
        Ok(Self { engine, session: session.map_err(|error| error.message().to_owned())? })
    }

    /// The rows that a statement gives, each as text.
    pub async fn rows(&self, sql: &str) -> Result<Vec<String>, String> {
        let message = |error: hyprstream_sql::Error| error.message().to_owned();
        let mut lines = Vec::new();
        for statement in self.session.parse(sql).map_err(message)? {
            let outcome = self.session.execute(&statement, &[]).await.map_err(message)?;
            if let Outcome::Rows { stream, .. } = outcome {
                let batches: Vec<RecordBatch> =
                    stream.try_collect().await.map_err(|error| message(self.session.error(&error)))?;
                lines = batches.iter().flat_map(text).collect();
            }
        }
        Ok(lines)
    }

    /// Runs what must succeed.
    pub async fn run(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.unwrap_or_else(|error| panic!("{sql}\n  failed: {error}"))
    }

    /// Reads everything, or only what is stored: without answers of a model.
    pub async fn read(&self, with_answers: bool) -> Answers {
        let mut answers = Answers::new();
        for (name, sql) in READ {
            if with_answers || !name.starts_with("answer") {
                answers.insert(name, self.rows(sql).await);
            }
        }
        answers
    }

    /// Closes it as the server does.
    pub fn close(self) -> Result<(), String> {
        let Self { engine, session } = self;
        drop(session);
        engine.close().map_err(|error| error.to_string())
    }
}

fn text(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).expect("a type with a text"))
        .collect();
    let line = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(line).collect()
}
