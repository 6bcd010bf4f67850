//! `hyprstream serve`.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hyprstream_engine::{CallContext, EmbedRequest, Engine};
use hyprstream_sql::Database;
use tokio::net::{TcpListener, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::cli::terminal::exit::{Exit, fail};
use crate::client::announcement::announcement;
use crate::config::database::{database_options, engine_options};
use crate::config::options::Config;
use crate::config::password;
use crate::config::values::ListenAddress;
use crate::flight::listener::{FlightListener, FlightOptions};
use crate::pg::listener::{PgListener, PgOptions};
use crate::stopping::StopSwitch;

/// How long connections may take to close once their statements are cancelled.
const CLOSING_LIMIT: Duration = Duration::from_secs(3);

/// Where to listen.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The address for Postgres clients [default: 127.0.0.1:5433]; `off` opens no listener
    #[arg(long, value_name = "ADDR")]
    pg: Option<String>,
    /// The address for Flight SQL clients [default: 127.0.0.1:50051]; `off` opens no listener
    #[arg(long, value_name = "ADDR")]
    flight: Option<String>,
    /// A file with the password that clients need beyond loopback
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
}

impl ServeArguments {
    pub(super) fn flags(&self) -> Vec<(String, String)> {
        let given = [("pg", &self.pg), ("flight", &self.flight), ("password_file", &self.password_file)];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
    }
}

pub(super) async fn run(config: &Config) -> Exit {
    match serve(config).await {
        Ok(()) => Exit::Success,
        Err(message) => fail(&message),
    }
}

async fn serve(config: &Config) -> Result<(), String> {
    let password = password::read(config).map_err(|error| error.to_string())?;
    let pg = Socket::bind(&config.pg, Clients::Postgres, password.is_some()).await?;
    let flight = Socket::bind(&config.flight, Clients::FlightSql, false).await?;
    let engine = Engine::open(engine_options(config)).map_err(|error| error.to_string())?;
    let database = Database::try_new(Arc::clone(&engine), &database_options(config))
        .map_err(|error| error.to_string())?;
    let (pg_address, flight_address) = (address(pg.as_ref())?, address(flight.as_ref())?);
    engine.announce(&announcement(pg_address, flight_address)).map_err(|error| error.to_string())?;
    announce(Clients::Postgres, pg_address)?;
    announce(Clients::FlightSql, flight_address)?;

    let (switch, stopping) = StopSwitch::new();
    let mut listeners = JoinSet::new();
    if let Some(Socket { listener, is_loopback }) = pg {
        let options = PgOptions {
            password: if is_loopback { None } else { password },
            max_connections: config.max_connections,
            max_message_bytes: config.max_message_bytes,
        };
        listeners.spawn(PgListener::new(listener, options).serve(Arc::clone(&database), stopping.clone()));
    }
    if let Some(Socket { listener, .. }) = flight {
        let options = FlightOptions {
            max_connections: config.max_connections,
            max_message_bytes: config.max_message_bytes,
        };
        listeners
            .spawn(FlightListener::new(listener, options).serve(Arc::clone(&database), stopping.clone()));
    }
    warm_up(&engine);
    drop(database);

    wait_for_signal().await?;
    stop(&switch, listeners, config).await?;
    engine.close().map_err(|error| error.to_string())
}

/// Lets running statements finish for a while, then cancels them, and waits until the listeners are closed.
async fn stop(switch: &StopSwitch, mut listeners: JoinSet<()>, config: &Config) -> Result<(), String> {
    tracing::info!("stopping: running statements have {} s to finish", config.stop_timeout_seconds);
    switch.drain();
    let mut closed = async || while listeners.join_next().await.is_some() {};
    let grace = Duration::from_secs(config.stop_timeout_seconds);
    let drained = tokio::select! {
        drained = tokio::time::timeout(grace, closed()) => drained.is_ok(),
        // Whoever asks a second time does not want to wait.
        second = wait_for_signal() => {
            second?;
            false
        }
    };
    if !drained {
        switch.force();
        if tokio::time::timeout(CLOSING_LIMIT, closed()).await.is_err() {
            tracing::warn!("some clients did not take their last message");
        }
    }
    Ok(())
}

/// Whose clients a listener is for.
#[derive(Debug, Clone, Copy)]
enum Clients {
    Postgres,
    FlightSql,
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::FlightSql => "FlightSQL",
        })
    }
}

/// A listener's bound socket.
struct Socket {
    listener: TcpListener,
    /// Whether only this machine can reach it.
    is_loopback: bool,
}

impl Socket {
    /// Binds an address, unless it is off. One that other machines can reach must be `authenticated`.
    async fn bind(
        address: &ListenAddress,
        clients: Clients,
        authenticated: bool,
    ) -> Result<Option<Self>, String> {
        let ListenAddress::On(address) = address else {
            return Ok(None);
        };
        let cannot =
            |error: std::io::Error| format!("cannot listen for {clients} clients on {address}: {error}");
        let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(cannot)?.collect();
        let is_loopback = addresses.iter().all(|address| address.ip().is_loopback());
        if !is_loopback && !authenticated {
            return Err(match clients {
                Clients::Postgres => format!(
                    "refusing to listen on {address}, which other machines can reach, without authentication; \
                     name a file with a password in --password-file, or listen on 127.0.0.1"
                ),
                Clients::FlightSql => format!(
                    "refusing to listen for {clients} clients on {address}, which other machines can reach: \
                     this listener has neither authentication nor TLS in this version; listen on 127.0.0.1, or \
                     turn it off"
                ),
            });
        }
        let listener = TcpListener::bind(&addresses[..]).await.map_err(cannot)?;
        Ok(Some(Self { listener, is_loopback }))
    }
}

fn address(socket: Option<&Socket>) -> Result<Option<SocketAddr>, String> {
    socket.map(|socket| socket.listener.local_addr()).transpose().map_err(|error| error.to_string())
}

/// Says on stdout where the server listens, for people and for scripts that start a server on port 0.
fn announce(clients: Clients, address: Option<SocketAddr>) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let written = match address {
        Some(address) => writeln!(out, "listening for {clients} clients on {address}"),
        None => writeln!(out, "not listening for {clients} clients"),
    };
    written.and_then(|()| out.flush()).map_err(|error| format!("cannot write to stdout: {error}"))
}

/// Loads the default model in the background, so that the first statement need not wait for it.
fn warm_up(engine: &Arc<Engine>) {
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        let call = CallContext::local();
        let request = EmbedRequest { texts: vec!["hyprstream".into()], model: None, dimensions: None, call };
        if let Err(error) = engine.embed(request).await {
            tracing::warn!("the default model is not ready: {error}");
        }
    });
}

async fn wait_for_signal() -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
