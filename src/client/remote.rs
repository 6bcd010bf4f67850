//! The server that holds the data directory, over the Postgres protocol.

use std::fmt::Display;
use std::io;

use bytes::BytesMut;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::announcement::postgres_address;
use crate::client::error::ClientError;
use crate::client::receiver::{PAUSE, Receiver};
use crate::client::replies;
use crate::config::options::Config;
use crate::config::password;
use crate::report::Report;

/// A connection to a running server.
pub(crate) struct RemoteClient {
    address: String,
    stream: TcpStream,
    buffer: BytesMut,
    /// What the server asks for in a cancel request.
    process: i32,
    secret: i32,
    in_transaction: bool,
}

impl RemoteClient {
    /// Connects to the server that announced `announced` in the lock file.
    pub(super) async fn connect(announced: &str, config: &Config) -> Result<Self, ClientError> {
        let Some(address) = postgres_address(announced) else {
            return Err(ClientError::Connection(format!(
                "the data directory {} is held by a server that does not listen for Postgres clients ({announced}); \
                 start the server with --pg HOST:PORT, or stop it",
                config.data_dir.display()
            )));
        };
        let stream = TcpStream::connect(address).await.map_err(|error| {
            ClientError::Connection(format!("cannot connect to the server at {address}: {error}"))
        })?;
        let _ = stream.set_nodelay(true);
        let mut client = Self {
            address: address.to_owned(),
            stream,
            buffer: BytesMut::new(),
            process: 0,
            secret: 0,
            in_transaction: false,
        };
        client.start(config).await?;
        Ok(client)
    }

    async fn start(&mut self, config: &Config) -> Result<(), ClientError> {
        let parameters =
            [("user", "hyprstream"), ("database", "hyprstream"), ("application_name", "hyprstream")];
        self.send(|out| frontend::startup_message(parameters, out)).await?;
        loop {
            match self.message().await? {
                Message::AuthenticationSasl(_) => self.authenticate(config).await?,
                Message::BackendKeyData(key) => {
                    (self.process, self.secret) = (key.process_id(), key.secret_key());
                }
                Message::ErrorResponse(body) => return Err(self.refused(replies::report(body.fields()))),
                Message::ReadyForQuery(_) => return Ok(()),
                Message::AuthenticationOk | Message::ParameterStatus(_) | Message::NoticeResponse(_) => {}
                _ => return Err(self.lost(&"it asks for something else than SCRAM-SHA-256 or nothing")),
            }
        }
    }

    async fn authenticate(&mut self, config: &Config) -> Result<(), ClientError> {
        let Some(password) = password::read(config)? else {
            return Err(ClientError::Connection(format!(
                "the server at {} asks for a password; name its file in the option password_file",
                self.address
            )));
        };
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        self.send(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out)).await?;
        loop {
            match self.message().await? {
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data()).map_err(|error| self.lost(&error))?;
                    self.send(|out| frontend::sasl_response(scram.message(), out)).await?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    return scram.finish(body.data()).map_err(|_| {
                        ClientError::Connection("the server does not know the password".into())
                    });
                }
                Message::ErrorResponse(body) => return Err(self.refused(replies::report(body.fields()))),
                _ => return Err(self.lost(&"it broke the authentication off")),
            }
        }
    }

    pub(super) async fn run(
        &mut self,
        text: &str,
        receiver: &mut dyn Receiver,
        interrupt: &mut (dyn Future<Output = ()> + Unpin + Send),
    ) -> Result<(), ClientError> {
        self.send(|out| frontend::query(&text.replace('\0', ""), out)).await?;
        let mut failed: Option<Report> = None;
        let mut cancelled = false;
        loop {
            let message = tokio::select! {
                biased;
                () = &mut *interrupt, if !cancelled => {
                    cancelled = true;
                    self.cancel().await?;
                    continue;
                }
                message = self.message() => message?,
                () = tokio::time::sleep(PAUSE) => {
                    receiver.pause()?;
                    continue;
                }
            };
            match message {
                Message::RowDescription(body) => receiver.columns(&self.read(replies::columns(&body))?)?,
                Message::DataRow(body) => receiver.row(self.read(replies::row(&body))?)?,
                Message::CommandComplete(body) => receiver.complete(self.read(body.tag())?)?,
                Message::NoticeResponse(body) => {
                    receiver.notice(&self.read(replies::report(body.fields()))?)?;
                }
                Message::ErrorResponse(body) => {
                    let report = self.read(replies::report(body.fields()))?;
                    if report.severity == "FATAL" {
                        return Err(ClientError::Connection(report.message));
                    }
                    failed = Some(report);
                }
                Message::ReadyForQuery(body) => {
                    self.in_transaction = body.status() != b'I';
                    return failed.map_or(Ok(()), |report| Err(ClientError::Statement(report)));
                }
                _ => {}
            }
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    pub(super) fn target(&self) -> String {
        format!("the server at {}", self.address)
    }

    pub(super) async fn close(mut self) {
        // The server also notices without a goodbye.
        let goodbye = self.send(|out| {
            frontend::terminate(out);
            Ok(())
        });
        let _ = goodbye.await;
    }

    async fn cancel(&self) -> Result<(), ClientError> {
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process, self.secret, &mut request);
        let send = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(&request).await
        };
        send.await.map_err(|error| ClientError::Connection(format!("cannot cancel the statement: {error}")))
    }

    async fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), ClientError> {
        let mut message = BytesMut::new();
        write(&mut message).map_err(|error| self.lost(&error))?;
        self.stream.write_all(&message).await.map_err(|error| self.lost(&error))
    }

    /// The next message; dropping the future loses nothing.
    async fn message(&mut self) -> Result<Message, ClientError> {
        loop {
            let message = replies::next_message(&mut self.buffer);
            if let Some(message) = self.read(message)? {
                return Ok(message);
            }
            self.buffer.reserve(8 << 10);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(self.lost(&"it closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// What was read of a message; a malformed one ends the connection.
    fn read<T>(&self, result: io::Result<T>) -> Result<T, ClientError> {
        result.map_err(|error| self.lost(&error))
    }

    fn refused(&self, report: io::Result<Report>) -> ClientError {
        match report {
            Ok(report) => ClientError::Connection(report.message),
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&self, reason: &dyn Display) -> ClientError {
        ClientError::Connection(format!("lost the server at {}: {reason}", self.address))
    }
}
