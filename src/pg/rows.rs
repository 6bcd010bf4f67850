//! Rows on their way to a client, sent as they come.

use bytes::BytesMut;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use hyprstream_sql::{Outcome, Statement};
use pgwire::messages::data::DataRow;

use super::connection::Connection;
use super::encode::{self, Column};
use super::errors::{Failure, Report};
use super::messages::Format;
use super::replies;
use super::types::{self, ColumnType};

/// The most columns that the messages can count.
const MAX_COLUMNS: usize = i16::MAX as usize;

/// A result's columns and the stream that its rows come from. Dropping it cancels the work.
pub(crate) struct Rows {
    tag: String,
    columns: Vec<(String, ColumnType, Format)>,
    stream: SendableRecordBatchStream,
    batch: Batch,
    /// The values of one row, kept for its memory.
    values: BytesMut,
    sent: u64,
}

/// What is left to send of the last batch.
#[derive(Default)]
struct Batch {
    columns: Vec<Column>,
    next: usize,
    end: usize,
}

/// Whether a result has more rows than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Complete,
    Suspended,
}

impl Rows {
    /// A result whose column `n` is sent in `format(n)`.
    pub(crate) fn try_new(
        tag: String,
        schema: &Schema,
        stream: SendableRecordBatchStream,
        format: impl Fn(usize) -> Format,
    ) -> Result<Self, Report> {
        Ok(Self {
            tag,
            columns: describe(schema, format)?,
            stream,
            batch: Batch::default(),
            values: BytesMut::new(),
            sent: 0,
        })
    }

    /// Writes the `RowDescription`.
    pub(crate) fn describe(&self, out: &mut BytesMut) {
        write_description(&self.columns, out);
    }

    /// The command tag with the rows sent since the last call.
    pub(crate) fn tag(&mut self) -> String {
        command_tag(&self.tag, Some(std::mem::take(&mut self.sent)))
    }

    fn write_row(&mut self, out: &mut BytesMut) -> Result<(), Report> {
        let mut values = std::mem::take(&mut self.values);
        for (column, (_, _, format)) in self.batch.columns.iter().zip(&self.columns) {
            column.write(self.batch.next, *format, &mut values);
        }
        let mut row = DataRow::new(values, self.columns.len() as i16);
        replies::try_put(out, &row)?;
        row.data.clear();
        self.values = row.data;
        self.batch.next += 1;
        self.sent += 1;
        Ok(())
    }
}

impl Connection {
    /// Starts a statement; what it does until its first row is part of it.
    pub(super) async fn start(
        &mut self,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> Result<Outcome, Failure> {
        let session = self.session.clone();
        match self.attend(session.execute(statement, parameters)).await {
            Ok(outcome) => Ok(outcome?),
            Err(failure) => {
                self.session.statement_failed();
                Err(failure)
            }
        }
    }

    /// Sends rows until there are no more, or `max_rows` of them where that is not 0.
    pub(super) async fn send_rows(&mut self, rows: &mut Rows, max_rows: usize) -> Result<Progress, Failure> {
        let result = self.stream_rows(rows, max_rows).await;
        if result.is_err() {
            self.session.statement_failed();
        }
        result
    }

    async fn stream_rows(&mut self, rows: &mut Rows, max_rows: usize) -> Result<Progress, Failure> {
        let mut left = if max_rows == 0 { usize::MAX } else { max_rows };
        loop {
            while rows.batch.next < rows.batch.end {
                if left == 0 {
                    return Ok(Progress::Suspended);
                }
                rows.write_row(&mut self.output.buffer)?;
                left -= 1;
                self.flush_if_full().await?;
            }
            let Some(batch) = self.attend(rows.stream.next()).await? else {
                self.pending_notices();
                return Ok(Progress::Complete);
            };
            let batch = batch.map_err(|error| self.session.error(&error))?;
            let columns =
                encode::columns(&batch).map_err(|error| Report::error("0A000", error.to_string()))?;
            rows.batch = Batch { columns, next: 0, end: batch.num_rows() };
        }
    }
}

/// Names, types and formats of a schema's columns.
pub(crate) fn describe(
    schema: &Schema,
    format: impl Fn(usize) -> Format,
) -> Result<Vec<(String, ColumnType, Format)>, Report> {
    let fields = schema.fields();
    if fields.len() > MAX_COLUMNS {
        let message = format!("a result can have at most {MAX_COLUMNS} columns, not {}", fields.len());
        return Err(Report::error("54011", message));
    }
    let columns = fields.iter().enumerate();
    Ok(columns
        .map(|(index, field)| (field.name().clone(), types::column_type(field), format(index)))
        .collect())
}

/// Writes a `RowDescription`.
pub(crate) fn write_description(columns: &[(String, ColumnType, Format)], out: &mut BytesMut) {
    replies::row_description(
        out,
        columns.iter().map(|(name, column_type, format)| (name.as_str(), *column_type, *format)),
    );
}

/// A command tag as psql prints it: only these carry a count.
pub(crate) fn command_tag(tag: &str, rows: Option<u64>) -> String {
    match (tag, rows) {
        ("SHOW" | "EXPLAIN" | "CALL", _) | (_, None) => tag.to_string(),
        (tag, Some(rows)) => format!("{tag} {rows}"),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn a_result_with_more_columns_than_can_be_counted_is_refused() {
        let schema = |columns| Schema::new(vec![Field::new("a", DataType::Int32, true); columns]);
        let text = |_| Format::Text;
        assert_eq!(describe(&schema(32_767), text).unwrap().len(), 32_767);
        assert_eq!(describe(&schema(32_768), text).unwrap_err().sqlstate, "54011");
    }

    #[test]
    fn tags_count_rows_as_postgres_does() {
        assert_eq!(command_tag("SELECT", Some(3)), "SELECT 3");
        assert_eq!(command_tag("INSERT 0", Some(2)), "INSERT 0 2");
        assert_eq!(command_tag("CALL", Some(9)), "CALL");
        assert_eq!(command_tag("CREATE TABLE", None), "CREATE TABLE");
    }
}
