//! Rows on their way to a client, sent as they come.

use bytes::BytesMut;
use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use pgwire::messages::data::{DataRow, RowDescription};

use crate::pg::backend::Backend;
use crate::pg::error::Failure;
use crate::pg::wire::columns::{self, ColumnDescription};
use crate::pg::wire::replies;
use crate::report::Report;
use crate::values::command_tag::command_tag;
use crate::values::encode::{self, Column};
use crate::values::format::Format;

/// A result's columns and the stream that its rows come from. Dropping it cancels the work.
pub(crate) struct Rows {
    tag: String,
    columns: Vec<ColumnDescription>,
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
    pub(super) fn try_new(
        tag: String,
        schema: &Schema,
        stream: SendableRecordBatchStream,
        format: impl Fn(usize) -> Format,
    ) -> Result<Self, Report> {
        Ok(Self {
            tag,
            columns: columns::describe(schema, format)?,
            stream,
            batch: Batch::default(),
            values: BytesMut::new(),
            sent: 0,
        })
    }

    /// The message that announces the rows.
    pub(super) fn description(&self) -> RowDescription {
        columns::row_description(&self.columns)
    }

    /// The command tag with the rows sent since the last call.
    pub(super) fn take_tag(&mut self) -> String {
        command_tag(&self.tag, Some(std::mem::take(&mut self.sent)))
    }

    /// Sends rows until there are no more, or `max_rows` of them where that is not 0.
    pub(super) async fn send(&mut self, backend: &mut Backend, max_rows: usize) -> Result<Progress, Failure> {
        let result = self.send_batches(backend, max_rows).await;
        if result.is_err() {
            backend.session().statement_failed();
        }
        result
    }

    async fn send_batches(&mut self, backend: &mut Backend, max_rows: usize) -> Result<Progress, Failure> {
        let mut left = if max_rows == 0 { usize::MAX } else { max_rows };
        loop {
            while self.batch.next < self.batch.end {
                if left == 0 {
                    return Ok(Progress::Suspended);
                }
                self.write_row(backend.buffer())?;
                left -= 1;
                backend.flush_if_full().await?;
            }
            let Some(batch) = backend.attend(self.stream.next()).await? else {
                return Ok(Progress::Complete);
            };
            let batch = batch.map_err(|error| backend.session().error(&error))?;
            let columns =
                encode::columns(&batch).map_err(|error| Report::error("0A000", error.to_string()))?;
            self.batch = Batch { columns, next: 0, end: batch.num_rows() };
        }
    }

    fn write_row(&mut self, out: &mut BytesMut) -> Result<(), Report> {
        let mut values = std::mem::take(&mut self.values);
        for (column, description) in self.batch.columns.iter().zip(&self.columns) {
            column.write(self.batch.next, description.format, &mut values);
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
