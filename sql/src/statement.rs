//! One parsed statement, before it is planned.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::Statement as Ast;

/// One statement, parsed and not yet planned. A session plans it each time that it runs, so that it sees the
/// tables of that moment.
#[derive(Debug, Clone)]
pub struct Statement {
    pub(crate) ast: Option<Ast>,
    pub(crate) text: String,
    /// Whether a SET or RESET is for all sessions, as `ALTER SYSTEM` says.
    pub(crate) for_all: bool,
}

impl Statement {
    /// The statement's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True for the empty statement, which Postgres clients send to see whether a connection lives.
    pub fn is_empty(&self) -> bool {
        self.ast.is_none()
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is known of a statement before it runs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The columns that it returns; without fields for a statement that returns no rows.
    pub schema: SchemaRef,
    /// The type of each `$n`, in order.
    pub parameter_types: Vec<DataType>,
    /// True when running it returns rows (a SELECT, a SHOW, an EXPLAIN, a CALL).
    pub is_query: bool,
}

impl Prepared {
    /// A statement that returns no rows.
    pub(crate) fn without_rows(parameter_types: Vec<DataType>) -> Self {
        Self { schema: Arc::new(Schema::empty()), parameter_types, is_query: false }
    }
}

/// What running a statement gives.
pub enum Outcome {
    /// Rows as they come. Dropping the stream cancels the work.
    Rows {
        /// The first word of the command tag: `SELECT`, `SHOW`, `EXPLAIN`, `CALL`, `FETCH`.
        tag: String,
        /// The columns, as the stream has them.
        schema: SchemaRef,
        /// A batch for each group of rows that was ready together.
        stream: SendableRecordBatchStream,
    },
    /// A statement that returns no rows: its command tag without the count (`INSERT 0`, `CREATE TABLE`, `SET`),
    /// and how many rows it touched where that means something.
    Command {
        /// The command tag without the row count.
        tag: String,
        /// How many rows it touched.
        rows: Option<u64>,
    },
    /// The empty statement.
    Empty,
}

impl Outcome {
    /// A statement that returns no rows and touched none that count.
    pub(crate) fn command(tag: &str) -> Self {
        Self::Command { tag: tag.to_owned(), rows: None }
    }

    /// A statement that returns no rows and touched so many.
    pub(crate) fn counted(tag: &str, rows: u64) -> Self {
        Self::Command { tag: tag.to_owned(), rows: Some(rows) }
    }

    /// Rows as they come.
    pub(crate) fn rows(tag: &str, stream: SendableRecordBatchStream) -> Self {
        Self::Rows { tag: tag.to_owned(), schema: stream.schema(), stream }
    }

    /// Rows that are there already.
    pub(crate) fn batch(tag: &str, batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let rows = futures::stream::iter([Ok(batch)]);
        Self::rows(tag, Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { tag, schema, .. } => {
                f.debug_struct("Rows").field("tag", tag).field("schema", schema).finish_non_exhaustive()
            }
            Self::Command { tag, rows } => {
                f.debug_struct("Command").field("tag", tag).field("rows", rows).finish()
            }
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// How much a [`Notice`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Detail for someone who looks.
    Info,
    /// Progress.
    Notice,
    /// Something that the caller should know about.
    Warning,
}

impl Severity {
    /// The word that Postgres clients know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
        }
    }
}

/// A message beside the rows, sent while a statement runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// What it says.
    pub message: String,
}

/// Whether a session is in a transaction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// In no block.
    Idle,
    /// In a block.
    InBlock,
    /// In a block that failed; only ROLLBACK and COMMIT are taken.
    Failed,
}
