//! A `hyprstream serve` process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tempfile::TempDir;

use super::connection::Connection;
use super::environment::program;

/// How long a server may take to listen; recovery after a kill included.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running server; it is killed when this value goes.
pub struct Server {
    child: Child,
    directory: Arc<TempDir>,
    postgres: SocketAddr,
    flight: SocketAddr,
}

impl Server {
    /// Starts on a fresh data directory.
    pub async fn start() -> Self {
        Self::start_in(Arc::new(TempDir::new().expect("a temporary directory"))).await
    }

    /// Starts on a data directory that an earlier server has used.
    pub async fn start_in(directory: Arc<TempDir>) -> Self {
        let opened = Arc::clone(&directory);
        tokio::task::spawn_blocking(move || Self::spawn(opened)).await.expect("the server starts")
    }

    fn spawn(directory: Arc<TempDir>) -> Self {
        let mut child = Command::new(program())
            .args(["serve", "--pg", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("hyprstream can be executed");
        let lines = lines_of(&mut child);
        let (mut postgres, mut flight, mut seen) = (None, None, String::new());
        while postgres.is_none() || flight.is_none() {
            let line = lines.recv_timeout(START_LIMIT).unwrap_or_else(|_| {
                let _ = child.kill();
                panic!("the server does not listen; it said:\n{seen}")
            });
            if let Some(address) = address_in(&line) {
                if line.to_lowercase().contains("flight") {
                    flight = Some(address);
                } else if line.to_lowercase().contains("postgres") {
                    postgres = Some(address);
                }
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        Self { child, directory, postgres: postgres.expect("found"), flight: flight.expect("found") }
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where SQL may read files.
    pub fn files(&self) -> PathBuf {
        let files = self.path().join("files");
        std::fs::create_dir_all(&files).expect("the files directory");
        files
    }

    /// The address for Postgres clients.
    pub fn postgres(&self) -> SocketAddr {
        self.postgres
    }

    /// The address for Flight SQL clients.
    pub fn flight(&self) -> SocketAddr {
        self.flight
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection of a Postgres client.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.postgres).await
    }

    /// `kill -9`, and the directory that is left behind.
    pub fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().expect("the server is running");
        self.child.wait().expect("the server ends");
        Arc::clone(&self.directory)
    }

    /// Asks the server to stop (SIGTERM), waits until it has, and gives back the directory.
    pub async fn stop(mut self) -> Arc<TempDir> {
        let terminated =
            Command::new("kill").arg(self.child.id().to_string()).status().expect("kill can be executed");
        assert!(terminated.success());
        let mut child = std::mem::replace(&mut self.child, idle());
        let status =
            tokio::task::spawn_blocking(move || child.wait()).await.expect("waits").expect("the server ends");
        assert!(status.success(), "the server ended with {status} when asked to stop");
        Arc::clone(&self.directory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is over at once, to stand where a server was.
fn idle() -> Child {
    Command::new("true").spawn().expect("true can be executed")
}

/// What the process prints on both streams; reading goes on so that it never blocks on a full pipe.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] = [
        Box::new(child.stdout.take().expect("stdout is piped")),
        Box::new(child.stderr.take().expect("stderr is piped")),
    ];
    for stream in streams {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if std::env::var_os("HYPRSTREAM_SERVER_LOG").is_some() {
                    eprintln!("server: {line}");
                }
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

/// The socket address that a line of the server's announcement names.
fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let address: String =
        line[start..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    address.trim_end_matches(['.', ':']).parse().ok()
}
