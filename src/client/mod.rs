//! What the commands talk to: a session in this process, or the server that holds the data directory.

mod local;
mod remote;
mod wire;

use std::time::Duration;

use hyprstream_engine::{Engine, Error as EngineError};

use self::local::LocalClient;
use self::remote::RemoteClient;
pub(crate) use self::remote::announcement;
use crate::config::Config;
use crate::pg::errors::Report;

/// How long a server that has just taken the directory may need to say where it listens.
const ANNOUNCEMENT_LIMIT: Duration = Duration::from_secs(5);

/// How long the receiver of rows is left alone while none come.
const PAUSE: Duration = Duration::from_millis(150);

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub oid: u32,
}

/// Where results go, in the order in which they come.
pub(crate) trait Receiver {
    /// A result begins.
    fn columns(&mut self, columns: &[Column]) -> std::io::Result<()>;
    /// One row of the result, as text.
    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()>;
    /// No row has come for a moment: what is held back may be shown.
    fn pause(&mut self) -> std::io::Result<()>;
    /// A statement is complete, with its command tag.
    fn complete(&mut self, tag: &str) -> std::io::Result<()>;
    /// A message beside the rows.
    fn notice(&mut self, notice: &Report) -> std::io::Result<()>;
}

/// Why statements did not run to their end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// A statement failed; further ones can be run.
    #[error("{}", .0.message)]
    Statement(Report),
    /// The data directory could not be opened, or its server could not be reached or was lost.
    #[error("{0}")]
    Connection(String),
    /// The results could not be written.
    #[error("cannot write the results: {0}")]
    Output(#[from] std::io::Error),
}

impl From<hyprstream_sql::Error> for ClientError {
    fn from(error: hyprstream_sql::Error) -> Self {
        Self::Statement(error.into())
    }
}

/// A place where statements run.
pub(crate) enum Client {
    Local(Box<LocalClient>),
    Remote(Box<RemoteClient>),
}

impl Client {
    /// Opens the data directory, or connects to the server that holds it.
    pub(crate) async fn open(config: &Config) -> Result<Self, ClientError> {
        let deadline = tokio::time::Instant::now() + ANNOUNCEMENT_LIMIT;
        loop {
            let error = match Engine::open(crate::cli::engine_options(config)) {
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

    /// Where statements run, in words.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Local(client) => client.place(),
            Self::Remote(client) => client.place(),
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

/// A string as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
