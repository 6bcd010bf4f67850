//! What a procedure is, and how CALL runs it.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result as PlanResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use hyprstream_udfs::{Arguments, Function};

use crate::columns::Columns;
use crate::error::Result;
use crate::session::core::Session;

/// The rows that a procedure answers with, in the groups in which they are ready.
pub(crate) type Rows<R> = BoxStream<'static, PlanResult<Vec<R>>>;

/// A procedure that answers with rows `R`.
pub(crate) struct Procedure<R: 'static> {
    pub(super) function: Function,
    pub(super) columns: fn(Columns<R>) -> Columns<R>,
    /// Does the work. Dropping its rows cancels it.
    pub(super) run: for<'a> fn(&'a Session, Arguments<'a>) -> BoxFuture<'a, Result<Rows<R>>>,
}

/// Rows that are known as a whole.
pub(super) fn listed<R: Send + 'static>(rows: Vec<R>) -> Rows<R> {
    futures::stream::iter([Ok(rows)]).boxed()
}

/// The only row.
pub(super) fn one<R: Send + 'static>(row: R) -> Rows<R> {
    listed(vec![row])
}

/// A procedure that answers with any rows.
pub(crate) trait AnyProcedure: Sync {
    /// Its name and arguments.
    fn function(&self) -> &Function;

    /// The columns of its rows.
    fn schema(&self) -> SchemaRef;

    /// Runs it. Dropping the rows cancels it.
    fn call<'a>(
        &self,
        session: &'a Session,
        arguments: Arguments<'a>,
    ) -> BoxFuture<'a, Result<SendableRecordBatchStream>>;
}

impl<R: Send + 'static> AnyProcedure for Procedure<R> {
    fn function(&self) -> &Function {
        &self.function
    }

    fn schema(&self) -> SchemaRef {
        Columns::declared(self.columns).schema()
    }

    fn call<'a>(
        &self,
        session: &'a Session,
        arguments: Arguments<'a>,
    ) -> BoxFuture<'a, Result<SendableRecordBatchStream>> {
        let columns = Columns::declared(self.columns);
        let run = (self.run)(session, arguments);
        async move {
            let schema = columns.schema();
            let made = Arc::clone(&schema);
            let batches = run.await?.map(move |rows| columns.batch(&made, &rows?, |_| true));
            let stream: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
            Ok(stream)
        }
        .boxed()
    }
}
