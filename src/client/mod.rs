//! What the commands talk to: a session in this process, or the server that holds the data directory.

pub(crate) mod announcement;
pub(crate) mod error;
mod local;
pub(crate) mod receiver;
mod remote;
mod replies;

use std::time::Duration;

use hyprstream_engine::{Engine, Error as EngineError};

use crate::config::database::engine_options;
use crate::config::options::Config;
use error::ClientError;
use local::LocalClient;
use receiver::Receiver;
use remote::RemoteClient;

/// How long a server that has just taken the directory may need to say where it listens.
const ANNOUNCEMENT_LIMIT: Duration = Duration::from_secs(5);

/// Runs statements.
pub(crate) enum Client {
    Local(Box<LocalClient>),
    Remote(Box<RemoteClient>),
}

impl Client {
    /// Opens the data directory, or connects to the server that holds it.
    pub(crate) async fn open(config: &Config) -> Result<Self, ClientError> {
        let deadline = tokio::time::Instant::now() + ANNOUNCEMENT_LIMIT;
        loop {
            let error = match Engine::open(engine_options(config)) {
                Ok(engine) => return Ok(Self::Local(Box::new(LocalClient::try_new(engine, config)?))),
                Err(error) => error,
            };
            match &error {
                EngineError::Locked { address: Some(address), .. } if !address.is_empty() => {
                    let client = RemoteClient::connect(address, config).await?;
                    return Ok(Self::Remote(Box::new(client)));
                }
                EngineError::Locked { .. } if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => return Err(ClientError::Connection(error.to_string())),
            }
        }
    }

    /// Runs the statements of `text` up to the first that fails; `interrupt` cancels the one that runs.
    pub(crate) async fn run(
        &mut self,
        text: &str,
        receiver: &mut dyn Receiver,
        interrupt: &mut (dyn Future<Output = ()> + Unpin + Send),
    ) -> Result<(), ClientError> {
        match self {
            Self::Local(client) => client.run(text, receiver, interrupt).await,
            Self::Remote(client) => client.run(text, receiver, interrupt).await,
        }
    }

    /// Whether a transaction block is open.
    pub(crate) fn in_transaction(&self) -> bool {
        match self {
            Self::Local(client) => client.in_transaction(),
            Self::Remote(client) => client.in_transaction(),
        }
    }

    /// Names the data directory or the server that statements run in.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::Local(client) => client.target(),
            Self::Remote(client) => client.target(),
        }
    }

    /// Ends the session and waits until what it made is durable.
    pub(crate) async fn close(self) -> Result<(), ClientError> {
        match self {
            Self::Local(client) => client.close(),
            Self::Remote(client) => {
                client.close().await;
                Ok(())
            }
        }
    }
}
