//! A database in a directory of its own, and what its statements give.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use futures::StreamExt;
use hyprstream_engine::{Engine, EngineOptions};
use hyprstream_sql::{Database, DatabaseOptions, Error, Outcome, Session, SessionOptions};
use tempfile::TempDir;

/// A database with one session. The directory goes with it.
pub struct Fixture {
    pub directory: TempDir,
    pub engine: Arc<Engine>,
    pub database: Arc<Database>,
    pub session: Session,
}

impl Fixture {
    pub fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap())
    }

    pub fn open(directory: TempDir) -> Self {
        let engine = Engine::open(EngineOptions::new(directory.path())).unwrap();
        let database = Database::try_new(Arc::clone(&engine), &DatabaseOptions::default()).unwrap();
        let session = database.session(SessionOptions::default()).unwrap();
        Self { directory, engine, database, session }
    }

    /// Closes the database and opens its directory again.
    pub fn reopened(self) -> Self {
        Self::open(self.closed())
    }

    /// Closes the database and gives its directory.
    pub fn closed(self) -> TempDir {
        let Self { directory, engine, database, session } = self;
        drop((session, database));
        engine.close().unwrap();
        directory
    }

    /// Another session of the same database.
    pub fn another(&self) -> Self {
        let session = self.database.session(SessionOptions::default()).unwrap();
        let (engine, database) = (Arc::clone(&self.engine), Arc::clone(&self.database));
        Self { directory: tempfile::tempdir().unwrap(), engine, database, session }
    }

    /// Runs statements and gives the rows of the last as text.
    pub async fn rows(&self, text: &str) -> Vec<Vec<String>> {
        self.try_rows(text).await.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The one value of a query.
    pub async fn value(&self, text: &str) -> String {
        let rows = self.rows(text).await;
        assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{text}: {rows:?}");
        rows[0][0].clone()
    }

    pub async fn try_rows(&self, text: &str) -> Result<Vec<Vec<String>>, Error> {
        let mut rows = Vec::new();
        for statement in self.session.parse(text)? {
            rows = self.outcome(self.session.execute(&statement, &[]).await?).await?;
        }
        Ok(rows)
    }

    pub async fn with_parameters(
        &self,
        text: &str,
        values: &[ScalarValue],
    ) -> Result<Vec<Vec<String>>, Error> {
        let statement = self.session.parse(text)?.remove(0);
        self.outcome(self.session.execute(&statement, values).await?).await
    }

    pub async fn outcome(&self, outcome: Outcome) -> Result<Vec<Vec<String>>, Error> {
        match outcome {
            Outcome::Rows { mut stream, .. } => {
                let mut rows = Vec::new();
                while let Some(batch) = stream.next().await {
                    rows.extend(text(&batch.map_err(|e| self.session.error(&e))?));
                }
                Ok(rows)
            }
            Outcome::Command { tag, rows } => {
                Ok(vec![std::iter::once(tag).chain(rows.map(|n| n.to_string())).collect()])
            }
            Outcome::Empty => Ok(Vec::new()),
        }
    }

    pub async fn error(&self, text: &str) -> Error {
        match self.try_rows(text).await {
            Err(error) => error,
            Ok(rows) => panic!("{text} gave {rows:?}"),
        }
    }

    /// The physical plan, a line an operator.
    pub async fn plan(&self, query: &str) -> String {
        let rows = self.rows(&format!("EXPLAIN {query}")).await;
        rows.iter().find(|row| row[0] == "physical_plan").map(|row| row[1].clone()).unwrap_or_default()
    }

    /// How many calls a query made and how many it saved, by its own metrics.
    pub async fn calls(&self, query: &str) -> usize {
        let rows = self.rows(&format!("EXPLAIN ANALYZE {query}")).await;
        let plan = &rows[0][1];
        plan.split(", ")
            .flat_map(|part| part.split('['))
            .filter_map(|part| part.strip_prefix("calls="))
            .map(|count| {
                count
                    .trim_end_matches([']', '\n'])
                    .split([',', ']', '\n'])
                    .next()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap()
            })
            .sum()
    }
}

/// Rows as text, NULL as `NULL`.
pub fn text(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()).collect()
}
