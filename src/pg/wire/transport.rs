//! One client's socket: messages in, messages out, and word that the client has gone.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::PgWireFrontendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::pg::wire::messages::{self, Malformed, Request};

/// How far ahead of the running statement a client's messages are read.
const READ_AHEAD_BYTES: usize = 1 << 20;

/// From this size on, rows are sent without waiting for more.
pub(crate) const FLUSH_BYTES: usize = 32 << 10;

/// How often a client that has filled the read-ahead is checked for having gone.
const PEER_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How long a client that sent too much may go on before the connection is closed.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Why no more messages come from a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The half that is read.
#[derive(Debug)]
pub(crate) struct Input {
    reader: OwnedReadHalf,
    buffer: BytesMut,
    max_message_bytes: usize,
    ended: bool,
}

/// The half that is written. Frames gather in `buffer` until they are flushed.
#[derive(Debug)]
pub(crate) struct Output {
    writer: OwnedWriteHalf,
    pub buffer: BytesMut,
}

/// Splits a connected socket.
pub(crate) fn split(stream: TcpStream, max_message_bytes: usize) -> (Input, Output) {
    let (reader, writer) = stream.into_split();
    let input = Input { reader, buffer: BytesMut::new(), max_message_bytes, ended: false };
    (input, Output { writer, buffer: BytesMut::new() })
}

impl Input {
    /// The next opening message, or `None` if the client closed the connection.
    pub(crate) async fn opening(&mut self) -> Result<Option<PgWireFrontendMessage>, ReadError> {
        loop {
            if let Some(opening) = messages::next_opening(&mut self.buffer)? {
                return Ok(Some(opening));
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next message, or `None` if the client closed the connection. Dropping the future loses nothing.
    pub(crate) async fn message(&mut self) -> Result<Option<Request>, ReadError> {
        loop {
            if let Some(message) = messages::next_message(&mut self.buffer, self.max_message_bytes)? {
                return Ok(Some(message));
            }
            if self.ended || self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// A message while the client has not authenticated yet, which must be short.
    pub(crate) async fn short_message(&mut self) -> Result<Option<Request>, ReadError> {
        let max_message_bytes = std::mem::replace(&mut self.max_message_bytes, messages::MAX_STARTUP_BYTES);
        let message = self.message().await;
        self.max_message_bytes = max_message_bytes;
        message
    }

    /// Completes when the client has gone. Messages that it sends ahead are kept for later.
    pub(crate) async fn hung_up(&mut self) {
        while !self.ended {
            if self.buffer.len() < READ_AHEAD_BYTES {
                if matches!(self.read().await, Ok(0) | Err(_)) {
                    self.ended = true;
                }
            } else {
                let ready = self.reader.ready(Interest::READABLE).await;
                if ready.is_ok_and(|ready| !ready.is_read_closed()) {
                    tokio::time::sleep(PEER_CHECK_INTERVAL).await;
                } else {
                    self.ended = true;
                }
            }
        }
    }

    /// Reads on for a while without keeping anything.
    pub(crate) async fn discard(&mut self) {
        // A connection that is closed while the client still sends is reset, and the client would not see why.
        let reading = async {
            loop {
                self.buffer.clear();
                if matches!(self.read().await, Ok(0) | Err(_)) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(8 << 10);
        self.reader.read_buf(&mut self.buffer).await
    }
}

impl Output {
    /// Sends what has gathered. A flush that is dropped half-way goes on where it stopped.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.writer.write_all_buf(&mut self.buffer).await?;
        }
        Ok(())
    }

    /// Sends what has gathered and closes the connection.
    pub(crate) async fn close(&mut self) {
        // The client may be gone already, and then there is nobody to tell.
        let _ = self.flush().await;
        let _ = self.writer.shutdown().await;
    }
}
