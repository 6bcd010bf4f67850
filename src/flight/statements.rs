//! Statements on their way through the Flight SQL server: planned, kept, run, streamed.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use hyprstream_sql::{Outcome, Prepared, Session, Statement};
use tonic::{Response, Status};

use crate::flight::error::status;
use crate::stopping::Stopping;

/// What `DoGet` answers with.
pub(super) type FlightStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// A planned statement in its session, with the parameters that were bound last.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    session: Arc<Session>,
    statement: Arc<Statement>,
    pub(super) prepared: Arc<Prepared>,
    pub(super) parameters: Arc<Vec<Vec<ScalarValue>>>,
}

impl Planned {
    /// Plans the only statement of `text`. Nothing runs yet.
    pub(super) async fn try_new(session: Arc<Session>, text: &str) -> Result<Self, Status> {
        let mut statements = session.parse(text).map_err(|error| status(&error))?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Status::invalid_argument("one statement is expected at a time"));
        };
        let prepared = session.prepare(&statement, &[]).await.map_err(|error| status(&error))?;
        Ok(Self {
            session,
            statement: Arc::new(statement),
            prepared: Arc::new(prepared),
            parameters: Arc::default(),
        })
    }

    /// The columns of the result; none for a statement without rows.
    pub(super) fn schema(&self) -> SchemaRef {
        if self.prepared.is_query { Arc::clone(&self.prepared.schema) } else { Arc::new(Schema::empty()) }
    }

    /// Runs the statement and streams its rows.
    pub(super) async fn stream(&self, stopping: Stopping) -> Result<Response<FlightStream>, Status> {
        let none = Vec::new();
        let parameters = match &self.parameters[..] {
            [] => &none,
            [parameters] => parameters,
            sets => {
                return Err(Status::invalid_argument(format!(
                    "a query takes one set of parameters, but {} were bound",
                    sets.len()
                )));
            }
        };
        match self.execute(parameters).await? {
            Outcome::Rows { stream, .. } => {
                let session = Arc::clone(&self.session);
                Ok(rows(stream, move |error| stream_status(&session, &error), stopping))
            }
            Outcome::Command { .. } | Outcome::Empty => Ok(batches(Arc::new(Schema::empty()), Vec::new())),
        }
    }

    /// Runs the statement once for each set of parameters and counts the rows that it touched or returned.
    pub(super) async fn update(&self) -> Result<i64, Status> {
        let none = Vec::new();
        let once = [none];
        let sets = if self.parameters.is_empty() { &once[..] } else { &self.parameters[..] };
        let mut count = 0;
        for parameters in sets {
            count += match self.execute(parameters).await? {
                Outcome::Command { rows, .. } => rows.unwrap_or(0),
                Outcome::Rows { mut stream, .. } => {
                    let mut rows = 0;
                    while let Some(batch) =
                        stream.try_next().await.map_err(|error| stream_status(&self.session, &error))?
                    {
                        rows += batch.num_rows() as u64;
                    }
                    rows
                }
                Outcome::Empty => 0,
            };
        }
        Ok(count as i64)
    }

    async fn execute(&self, parameters: &[ScalarValue]) -> Result<Outcome, Status> {
        self.session.execute(&self.statement, parameters).await.map_err(|error| status(&error))
    }
}

/// The rows of a query in this session, for questions about the catalog.
pub(super) async fn query(session: &Session, text: &str) -> Result<Vec<RecordBatch>, Status> {
    let mut rows = Vec::new();
    for statement in session.parse(text).map_err(|error| status(&error))? {
        let outcome = session.execute(&statement, &[]).await.map_err(|error| status(&error))?;
        if let Outcome::Rows { stream, .. } = outcome {
            let batches = stream.try_collect::<Vec<_>>().await;
            rows.extend(batches.map_err(|error| stream_status(session, &error))?);
        }
    }
    Ok(rows)
}

fn stream_status(session: &Session, error: &DataFusionError) -> Status {
    status(&session.error(error))
}

/// Streams batches as they come, and ends with an error when the server stops for good.
fn rows(
    stream: SendableRecordBatchStream,
    describe: impl Fn(DataFusionError) -> Status + Send + 'static,
    mut stopping: Stopping,
) -> Response<FlightStream> {
    let schema = stream.schema();
    let stopped = stream::once(async move {
        stopping.forced().await;
        Err(FlightError::from(Status::unavailable("the server is shutting down")))
    });
    let work = stream.map_err(move |error| FlightError::from(describe(error))).map(Some);
    // The end of the rows ends the whole; the end of the server comes only as an error.
    let work = work.chain(stream::once(std::future::ready(None)));
    let both = stream::select(work, stopped.map(Some)).take_while(|item| std::future::ready(item.is_some()));
    encode(schema, both.filter_map(std::future::ready))
}

/// A result that is already there.
pub(super) fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Response<FlightStream> {
    encode(schema, stream::iter(batches.into_iter().map(Ok)))
}

fn encode(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Response<FlightStream> {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    Response::new(Box::pin(encoder.map_err(Status::from)))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int32Array;
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;
    use crate::stopping::StopSwitch;

    fn endless() -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let numbers = Arc::new(Int32Array::from(vec![1]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]).unwrap();
        let batches = stream::iter([Ok(batch)]).chain(stream::pending());
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    #[tokio::test]
    async fn a_stream_ends_with_an_error_when_the_server_stops_for_good() {
        let (switch, stopping) = StopSwitch::new();
        let mut rows = rows(endless(), |error| Status::internal(error.to_string()), stopping).into_inner();
        rows.next().await.unwrap().unwrap();
        rows.next().await.unwrap().unwrap();
        switch.drain();
        assert!(futures::poll!(rows.next()).is_pending());
        switch.force();
        let status = rows.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable);
    }
}
