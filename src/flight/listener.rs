//! Accepting Flight SQL clients.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::StreamExt;
use hyprstream_sql::Database;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::TcpListenerStream;

use crate::flight::counted::CountedStream;
use crate::flight::service::HyprstreamFlight;
use crate::stopping::Stopping;

/// The limits of a listener.
#[derive(Debug, Clone)]
pub(crate) struct FlightOptions {
    pub max_connections: usize,
    pub max_message_bytes: usize,
}

/// A bound socket that clients can already reach.
#[derive(Debug)]
pub(crate) struct FlightListener {
    listener: TcpListener,
    options: FlightOptions,
}

impl FlightListener {
    pub(crate) fn new(listener: TcpListener, options: FlightOptions) -> Self {
        Self { listener, options }
    }

    /// Serves clients until the server stops and their calls have ended.
    pub(crate) async fn serve(self, database: Arc<Database>, mut stopping: Stopping) {
        let service = FlightServiceServer::new(HyprstreamFlight::new(database, stopping.clone()))
            .max_decoding_message_size(self.options.max_message_bytes)
            .max_encoding_message_size(usize::MAX);
        let permits = Arc::new(Semaphore::new(self.options.max_connections));
        let incoming = TcpListenerStream::new(self.listener).filter_map(move |accepted| {
            let permit = Arc::clone(&permits).try_acquire_owned();
            async move { admit(accepted, permit.ok()).await.map(Ok::<_, std::io::Error>) }
        });
        let served = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, async move { stopping.requested().await })
            .await;
        if let Err(error) = served {
            tracing::error!("the FlightSQL listener closed: {error}");
        }
    }
}

/// Admits a client. What goes wrong with one client does not keep others out.
async fn admit(
    accepted: std::io::Result<TcpStream>,
    permit: Option<OwnedSemaphorePermit>,
) -> Option<CountedStream> {
    match (accepted, permit) {
        (Ok(stream), Some(permit)) => {
            let _ = stream.set_nodelay(true);
            Some(CountedStream::new(stream, permit))
        }
        (Ok(_), None) => {
            tracing::warn!("turned a FlightSQL client away: the limit is the option max_connections");
            None
        }
        (Err(error), _) => {
            tracing::warn!("cannot accept a FlightSQL client: {error}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            None
        }
    }
}
