//! The rows of an outcome: under the statement's time limit, with errors of known kinds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use tokio::time::Sleep;

use crate::error::{Error, ErrorKind};

/// Tells a session of the error that its rows ended with, and says what kind of error it is.
type Failed = Box<dyn Fn(&DataFusionError) -> Error + Send>;

/// Rows that end with the first error or with their time.
pub(super) struct GuardedRows {
    /// `None` once they have ended.
    rows: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    timeout: Option<Pin<Box<Sleep>>>,
    failed: Failed,
}

impl GuardedRows {
    pub(super) fn new(rows: SendableRecordBatchStream, timeout: Option<Duration>, failed: Failed) -> Self {
        let timeout = timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        Self { schema: rows.schema(), rows: Some(rows), timeout, failed }
    }

    fn end(&mut self, error: &DataFusionError) -> Poll<Option<Result<RecordBatch>>> {
        self.rows = None;
        Poll::Ready(Some(Err((self.failed)(error).into())))
    }
}

impl Stream for GuardedRows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(rows) = &mut this.rows else {
            return Poll::Ready(None);
        };
        if let Some(timeout) = &mut this.timeout
            && timeout.as_mut().poll(context).is_ready()
        {
            return this.end(&timed_out().into());
        }
        match futures::ready!(rows.poll_next_unpin(context)) {
            Some(Ok(batch)) => Poll::Ready(Some(Ok(batch))),
            Some(Err(error)) => this.end(&error),
            None => {
                this.rows = None;
                Poll::Ready(None)
            }
        }
    }
}

impl RecordBatchStream for GuardedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The error of a statement that ran into its time limit.
pub(crate) fn timed_out() -> Error {
    Error::new(ErrorKind::QueryCanceled, "canceling statement due to statement timeout")
}
