//! Accepting Postgres clients.

use std::net::SocketAddr;
use std::sync::Arc;

use hyprstream_sql::Database;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::pg::cancel::Connections;
use crate::pg::connection::Connection;
use crate::pg::scram::Verifier;
use crate::pg::startup::{self, Shared};
use crate::pg::wire::transport;
use crate::stopping::Stopping;

/// How many clients beyond the limit may still connect, so that statements can be cancelled when it is reached.
const EXTRA_CONNECTIONS: usize = 64;

/// What a listener asks of its clients, and its limits.
#[derive(Debug, Clone)]
pub(crate) struct PgOptions {
    /// What clients authenticate with; `None` lets everyone in.
    pub password: Option<String>,
    pub max_connections: usize,
    pub max_message_bytes: usize,
}

/// A bound socket that clients can already reach.
#[derive(Debug)]
pub(crate) struct PgListener {
    listener: TcpListener,
    options: PgOptions,
}

impl PgListener {
    pub(crate) fn new(listener: TcpListener, options: PgOptions) -> Self {
        Self { listener, options }
    }

    /// Serves clients until the server stops and the last of them has been told.
    pub(crate) async fn serve(self, database: Arc<Database>, mut stopping: Stopping) {
        let shared = Arc::new(Shared {
            database,
            connections: Arc::new(Connections::default()),
            verifier: self.options.password.as_deref().map(Verifier::new),
        });
        let permits = Arc::new(Semaphore::new(self.options.max_connections));
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.requested() => break,
                // Collecting those that have ended keeps the set as small as the number that are open.
                Some(_) = clients.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((_, peer)) if clients.len() >= self.options.max_connections + EXTRA_CONNECTIONS => {
                    tracing::warn!(
                        "turned a Postgres client away at {peer}: {} are connected",
                        clients.len()
                    );
                }
                Ok((stream, peer)) => {
                    let client = self.client(stream, peer, &shared, &permits, &stopping);
                    clients.spawn(client);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those who are connected go on.
                    tracing::warn!("cannot accept a Postgres client: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        while clients.join_next().await.is_some() {}
    }

    fn client(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        shared: &Arc<Shared>,
        permits: &Arc<Semaphore>,
        stopping: &Stopping,
    ) -> impl Future<Output = ()> + Send + use<> {
        let permit = Arc::clone(permits).try_acquire_owned();
        let (shared, stopping) = (Arc::clone(shared), stopping.clone());
        let options = self.options.clone();
        async move {
            // Rows are gathered here; the kernel need not wait for more of them.
            let _ = stream.set_nodelay(true);
            let (input, output) = transport::split(stream, options.max_message_bytes);
            if let Some(backend) = startup::begin(&shared, input, output, stopping, permit.is_ok()).await {
                tracing::debug!("Postgres client {peer} connected");
                Connection::new(backend).run().await;
                tracing::debug!("Postgres client {peer} left");
            }
        }
    }
}
