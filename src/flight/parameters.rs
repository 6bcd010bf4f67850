//! Bound parameters: each row of the batches that a client puts is one set of them.

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use tonic::Status;

/// How many sets one statement may be bound to at a time.
const MAX_SETS: usize = 1_000_000;

/// Reads the sets, cast to the types that the statement takes.
pub(super) async fn read(
    stream: PeekableFlightDataStream,
    types: &[DataType],
) -> Result<Vec<Vec<ScalarValue>>, Status> {
    let messages = stream.map_err(FlightError::from);
    // The first message may carry the command alone.
    let messages = messages.try_filter(|message| std::future::ready(!message.data_header.is_empty()));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(Box::pin(messages));
    let mut sets = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        if batch.num_columns() != types.len() {
            return Err(Status::invalid_argument(format!(
                "{} parameters were bound, but the statement takes {}",
                batch.num_columns(),
                types.len()
            )));
        }
        if sets.len() + batch.num_rows() > MAX_SETS {
            return Err(Status::resource_exhausted(format!("more than {MAX_SETS} rows of parameters")));
        }
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().zip(types).enumerate().map(|(index, (column, data_type))| {
                ScalarValue::try_from_array(column, row)
                    .and_then(|value| value.cast_to(data_type))
                    .map_err(|error| Status::invalid_argument(format!("parameter ${}: {error}", index + 1)))
            });
            sets.push(values.collect::<Result<_, _>>()?);
        }
    }
    Ok(sets)
}
