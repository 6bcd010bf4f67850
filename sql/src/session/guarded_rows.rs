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

use super::Session;
use crate::error::{Error, ErrorKind};

/// The error of a statement that ran into its time limit.
pub(super) fn timed_out() -> Error {
    Error::new(ErrorKind::QueryCanceled, "canceling statement due to statement timeout")
}

struct Guarded {
    rows: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    session: Session,
    timeout: Option<Pin<Box<Sleep>>>,
}

impl Session {
    /// Rows whose errors are [`Error`]s, and which mark an open transaction block as failed.
    pub(super) fn guarded(
        &self,
        rows: SendableRecordBatchStream,
        timeout: Option<Duration>,
    ) -> SendableRecordBatchStream {
        Box::pin(Guarded {
            schema: rows.schema(),
            rows: Some(rows),
            session: self.clone(),
            timeout: timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout))),
        })
    }
}

impl Guarded {
    fn end(&mut self, error: Error) -> Poll<Option<Result<RecordBatch>>> {
        self.rows = None;
        self.session.statement_failed();
        Poll::Ready(Some(Err(DataFusionError::External(Box::new(error)))))
    }
}

impl Stream for Guarded {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(rows) = &mut this.rows else {
            return Poll::Ready(None);
        };
        if let Some(timeout) = &mut this.timeout
            && timeout.as_mut().poll(context).is_ready()
        {
            return this.end(timed_out());
        }
        match futures::ready!(rows.poll_next_unpin(context)) {
            Some(Ok(batch)) => Poll::Ready(Some(Ok(batch))),
            Some(Err(error)) => {
                let error = this.session.error(&error);
                this.end(error)
            }
            None => {
                this.rows = None;
                Poll::Ready(None)
            }
        }
    }
}

impl RecordBatchStream for Guarded {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
