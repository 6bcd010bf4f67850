//! The server that holds the data directory, over the Postgres protocol.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{self, Reply};
use super::{ClientError, PAUSE, Receiver};
use crate::config::Config;
use crate::pg::errors::Report;
use crate::pg::scram::{ClientExchange, MECHANISM};

/// A connection to a running server.
pub(crate) struct RemoteClient {
    address: String,
    stream: TcpStream,
    buffer: BytesMut,
    process: u32,
    secret: Bytes,
    in_transaction: bool,
}

impl RemoteClient {
    /// Connects to the server that announced `address` in the lock file.
    pub(super) async fn connect(address: &str, config: &Config) -> Result<Self, ClientError> {
        let Some(address) = postgres_address(address) else {
            return Err(ClientError::Connection(format!(
                "the data directory {} is held by a server without a Postgres door ({address}); \
                 start the server with --pg HOST:PORT, or stop it",
                config.data_dir.display()
            )));
        };
        let stream = TcpStream::connect(&address).await.map_err(|error| {
            ClientError::Connection(format!("cannot connect to the server at {address}: {error}"))
        })?;
        drop(stream.set_nodelay(true));
        let mut client = Self {
            address,
            stream,
            buffer: BytesMut::new(),
            process: 0,
            secret: Bytes::new(),
            in_transaction: false,
        };
        client.start(config).await?;
        Ok(client)
    }

    async fn start(&mut self, config: &Config) -> Result<(), ClientError> {
        let mut body = BytesMut::new();
        body.put_u32(3 << 16);
        for (name, value) in
            [("user", "hyprstream"), ("database", "hyprstream"), ("application_name", "hyprstream")]
        {
            body.put_slice(format!("{name}\0{value}\0").as_bytes());
        }
        body.put_u8(0);
        let mut message = BytesMut::new();
        message.put_u32(body.len() as u32 + 4);
        message.put_slice(&body);
        self.send(&message).await?;
        let mut exchange = None;
        let mut expected_signature = None;
        loop {
            match self.reply().await? {
                Reply::Sasl => {
                    let (started, first) = ClientExchange::start();
                    let mut body = BytesMut::from(format!("{MECHANISM}\0").as_bytes());
                    body.put_u32(first.len() as u32);
                    body.put_slice(first.as_bytes());
                    self.send_message(b'p', &body).await?;
                    exchange = Some((started, crate::cli::password(config)?));
                }
                Reply::SaslContinue(server_first) => {
                    let proof = exchange
                        .as_ref()
                        .and_then(|(exchange, password)| exchange.prove(password.as_deref()?, &server_first));
                    let Some((proof, signature)) = proof else {
                        return Err(ClientError::Connection(format!(
                            "the server at {} asks for a password; name its file in the option password_file",
                            self.address
                        )));
                    };
                    expected_signature = Some(signature);
                    self.send_message(b'p', proof.as_bytes()).await?;
                }
                Reply::SaslFinal(signature) if Some(&signature) != expected_signature.as_ref() => {
                    return Err(ClientError::Connection("the server does not know the password".into()));
                }
                Reply::KeyData { process, secret } => (self.process, self.secret) = (process, secret),
                Reply::Error(report) => return Err(ClientError::Connection(report.message)),
                Reply::Ready { .. } => return Ok(()),
                _ => {}
            }
        }
    }

    pub(super) async fn run(
        &mut self,
        text: &str,
        receiver: &mut dyn Receiver,
        interrupt: &mut (dyn Future<Output = ()> + Unpin + Send),
    ) -> Result<(), ClientError> {
        let mut body = BytesMut::from(text.replace('\0', "").as_bytes());
        body.put_u8(0);
        self.send_message(b'Q', &body).await?;
        let mut failed = None;
        let mut cancelled = false;
        loop {
            let reply = tokio::select! {
                biased;
                () = &mut *interrupt, if !cancelled => {
                    cancelled = true;
                    self.cancel().await?;
                    continue;
                }
                reply = self.reply() => reply?,
                () = tokio::time::sleep(PAUSE) => {
                    receiver.pause()?;
                    continue;
                }
            };
            match reply {
                Reply::Columns(columns) => receiver.columns(&columns)?,
                Reply::Row(values) => receiver.row(values)?,
                Reply::Complete(tag) => receiver.complete(&tag)?,
                Reply::Notice(notice) => receiver.notice(&notice)?,
                Reply::Error(report) if report.severity == "FATAL" => {
                    return Err(ClientError::Connection(report.message));
                }
                Reply::Error(report) => failed = Some(report),
                Reply::Ready { in_transaction } => {
                    self.in_transaction = in_transaction;
                    return failed.map_or(Ok(()), |report: Report| Err(ClientError::Statement(report)));
                }
                _ => {}
            }
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    pub(super) fn place(&self) -> String {
        format!("the server at {}", self.address)
    }

    pub(super) async fn close(mut self) {
        // The server also notices without a goodbye.
        drop(self.send_message(b'X', &[]).await);
    }

    async fn cancel(&self) -> Result<(), ClientError> {
        let mut message = BytesMut::new();
        message.put_u32(12 + self.secret.len() as u32);
        message.put_u32(80_877_102);
        message.put_u32(self.process);
        message.put_slice(&self.secret);
        let send = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(&message).await
        };
        send.await.map_err(|error| ClientError::Connection(format!("cannot cancel the statement: {error}")))
    }

    async fn send_message(&mut self, kind: u8, body: &[u8]) -> Result<(), ClientError> {
        let mut message = BytesMut::with_capacity(body.len() + 5);
        message.put_u8(kind);
        message.put_u32(body.len() as u32 + 4);
        message.put_slice(body);
        self.send(&message).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(bytes).await.map_err(|error| self.lost(&error))
    }

    /// The next message; dropping the future loses nothing.
    async fn reply(&mut self) -> Result<Reply, ClientError> {
        loop {
            let reply = wire::next_reply(&mut self.buffer);
            if let Some(reply) = reply.map_err(|malformed| self.lost(&malformed))? {
                return Ok(reply);
            }
            self.buffer.reserve(8 << 10);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(self.lost(&"it closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    fn lost(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Connection(format!("lost the server at {}: {reason}", self.address))
    }
}

/// What a server announces in the lock file.
pub(crate) fn announcement(pg: Option<std::net::SocketAddr>, flight: Option<std::net::SocketAddr>) -> String {
    let reachable = |mut address: std::net::SocketAddr| {
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        address
    };
    match (pg, flight) {
        (Some(address), _) => format!("postgres://hyprstream@{}/hyprstream", reachable(address)),
        (None, Some(address)) => format!("grpc://{}", reachable(address)),
        (None, None) => "no door is open".into(),
    }
}

fn postgres_address(announcement: &str) -> Option<String> {
    let rest = announcement.strip_prefix("postgres://hyprstream@")?;
    rest.strip_suffix("/hyprstream").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_says_where_to_connect() {
        let everywhere = "0.0.0.0:5433".parse().unwrap();
        let announced = announcement(Some(everywhere), None);
        assert_eq!(postgres_address(&announced).as_deref(), Some("127.0.0.1:5433"));
        let flight_only = announcement(None, Some("127.0.0.1:50051".parse().unwrap()));
        assert_eq!(postgres_address(&flight_only), None);
    }
}
