//! What a Postgres client sends, decoded from its frames.
//!
//! Nothing here trusts a length: every read is checked against the frame that was received, so a malformed
//! message is an error of that connection and never more.

use bytes::{Buf, Bytes, BytesMut};

/// The largest frame accepted before a client has authenticated.
pub(crate) const MAX_STARTUP_BYTES: usize = 10_000;

const PROTOCOL_3: u32 = 3;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A message that breaks the protocol; the connection that sent it is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub String);

/// The first message of a connection, which has no type byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Ssl,
    Gss,
    Cancel {
        process: u32,
        secret: Bytes,
    },
    Startup {
        minor_version: u16,
        parameters: Vec<(String, String)>,
    },
}

/// What a Describe or Close message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// The format of one parameter or result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

/// A Bind message: a statement, its parameters and the wanted result formats.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub portal: String,
    pub statement: String,
    pub parameter_formats: Vec<Format>,
    pub parameters: Vec<Option<Bytes>>,
    pub result_formats: Vec<Format>,
}

/// A message of an open connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Query(String),
    Parse {
        name: String,
        query: String,
        parameter_types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target, String),
    Execute {
        portal: String,
        max_rows: usize,
    },
    Close(Target, String),
    Flush,
    Sync,
    Terminate,
    Password(Bytes),
    CopyData,
    CopyDone,
    CopyFail,
    FunctionCall,
}

impl Message {
    /// Whether the message belongs to the extended protocol, whose errors discard messages until a Sync.
    pub(crate) fn is_extended(&self) -> bool {
        matches!(
            self,
            Self::Parse { .. }
                | Self::Bind(_)
                | Self::Describe(..)
                | Self::Execute { .. }
                | Self::Close(..)
                | Self::Flush
        )
    }

    fn decode(kind: u8, mut body: Bytes) -> Result<Self, Malformed> {
        let body = &mut body;
        let message = match kind {
            b'Q' => Self::Query(text(body)?),
            b'P' => Self::Parse {
                name: text(body)?,
                query: text(body)?,
                parameter_types: list(body, integer32)?,
            },
            b'B' => Self::Bind(Bind {
                portal: text(body)?,
                statement: text(body)?,
                parameter_formats: list(body, format)?,
                parameters: list(body, value)?,
                result_formats: list(body, format)?,
            }),
            b'D' => Self::Describe(target(body)?, text(body)?),
            b'C' => Self::Close(target(body)?, text(body)?),
            b'E' => Self::Execute {
                portal: text(body)?,
                max_rows: usize::try_from(integer32(body)? as i32).unwrap_or(0),
            },
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'p' => Self::Password(std::mem::take(body)),
            // The contents are of no use to a server that starts no COPY.
            b'd' | b'c' | b'f' | b'F' => {
                body.clear();
                match kind {
                    b'd' => Self::CopyData,
                    b'c' => Self::CopyDone,
                    b'f' => Self::CopyFail,
                    _ => Self::FunctionCall,
                }
            }
            other => return Err(Malformed(format!("invalid frontend message type {other}"))),
        };
        if body.has_remaining() {
            return Err(Malformed(format!(
                "invalid message format: {} bytes left over",
                body.remaining()
            )));
        }
        Ok(message)
    }
}

/// Takes the next whole message off the front of `buffer`, or `None` while it is incomplete.
pub(crate) fn next_message(buffer: &mut BytesMut, max_bytes: usize) -> Result<Option<Message>, Malformed> {
    let Some((&kind, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    if !b"QPBDCEHSXpdcfF".contains(&kind) {
        return Err(Malformed(format!("invalid frontend message type {kind}")));
    }
    let Some(length) = frame_length(rest, max_bytes)? else {
        return Ok(None);
    };
    if rest.len() < length {
        return Ok(None);
    }
    let mut frame = buffer.split_to(1 + length).freeze();
    frame.advance(5);
    Message::decode(kind, frame).map(Some)
}

/// Takes the opening message off the front of `buffer`, or `None` while it is incomplete.
pub(crate) fn next_opening(buffer: &mut BytesMut) -> Result<Option<Opening>, Malformed> {
    let Some(length) = frame_length(buffer, MAX_STARTUP_BYTES)? else {
        return Ok(None);
    };
    if length < 8 {
        return Err(Malformed("invalid length of startup packet".into()));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut body = buffer.split_to(length).freeze();
    body.advance(4);
    let code = integer32(&mut body)?;
    match code {
        SSL_REQUEST => Ok(Some(Opening::Ssl)),
        GSS_REQUEST => Ok(Some(Opening::Gss)),
        CANCEL_REQUEST => {
            let process = integer32(&mut body)?;
            Ok(Some(Opening::Cancel {
                process,
                secret: body,
            }))
        }
        version if version >> 16 == PROTOCOL_3 => {
            let mut parameters = Vec::new();
            loop {
                let name = text(&mut body)?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, text(&mut body)?));
            }
            let minor_version = (version & 0xffff) as u16;
            Ok(Some(Opening::Startup {
                minor_version,
                parameters,
            }))
        }
        version => Err(Malformed(format!(
            "unsupported frontend protocol {}.{}: server supports 3.0",
            version >> 16,
            version & 0xffff
        ))),
    }
}

/// The length that a frame declares, itself included.
fn frame_length(buffer: &[u8], max_bytes: usize) -> Result<Option<usize>, Malformed> {
    let Some(bytes) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*bytes);
    match usize::try_from(length) {
        Ok(length) if length >= 4 && length <= max_bytes => Ok(Some(length)),
        Ok(length) if length > max_bytes => Err(Malformed(format!(
            "message of {length} bytes is over the limit of {max_bytes} bytes"
        ))),
        _ => Err(Malformed(format!("invalid message length {length}"))),
    }
}

fn short() -> Malformed {
    Malformed("insufficient data left in message".into())
}

/// A NUL-terminated string.
pub(crate) fn text(body: &mut Bytes) -> Result<String, Malformed> {
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(short)?;
    let bytes = body.split_to(end);
    body.advance(1);
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Malformed("invalid byte sequence for encoding \"UTF8\"".into()))
}

pub(crate) fn integer32(body: &mut Bytes) -> Result<u32, Malformed> {
    body.try_get_u32().map_err(|_| short())
}

/// A counted list; a count that the remaining bytes cannot hold is found by the first read that fails.
fn list<T>(
    body: &mut Bytes,
    mut item: impl FnMut(&mut Bytes) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = body.try_get_u16().map_err(|_| short())?;
    (0..count).map(|_| item(body)).collect()
}

fn format(body: &mut Bytes) -> Result<Format, Malformed> {
    match body.try_get_u16().map_err(|_| short())? {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(Malformed(format!("unsupported format code {other}"))),
    }
}

fn value(body: &mut Bytes) -> Result<Option<Bytes>, Malformed> {
    let length = integer32(body)? as i32;
    if length == -1 {
        return Ok(None);
    }
    match usize::try_from(length) {
        Ok(length) if length <= body.len() => Ok(Some(body.split_to(length))),
        _ => Err(short()),
    }
}

fn target(body: &mut Bytes) -> Result<Target, Malformed> {
    match body.try_get_u8().map_err(|_| short())? {
        b'S' => Ok(Target::Statement),
        b'P' => Ok(Target::Portal),
        other => Err(Malformed(format!("invalid describe or close target {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, body: &[u8]) -> BytesMut {
        let mut frame = BytesMut::from(&[kind][..]);
        frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn a_query_is_taken_once_it_is_whole() {
        let whole = frame(b'Q', b"SELECT 1\0");
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(next_message(&mut part, 1000).unwrap(), None);
            assert_eq!(part.len(), cut);
        }
        let mut buffer = whole;
        buffer.extend_from_slice(b"S");
        assert_eq!(
            next_message(&mut buffer, 1000).unwrap(),
            Some(Message::Query("SELECT 1".into()))
        );
        assert_eq!(&buffer[..], b"S");
    }

    #[test]
    fn bind_reads_null_and_binary_parameters() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01\x07\0\x01\0\0";
        let message = next_message(&mut frame(b'B', body), 1000).unwrap().unwrap();
        assert_eq!(
            message,
            Message::Bind(Bind {
                portal: "p".into(),
                statement: "s".into(),
                parameter_formats: vec![Format::Binary],
                parameters: vec![None, Some(Bytes::from_static(&[7]))],
                result_formats: vec![Format::Text],
            })
        );
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_arrive() {
        let mut buffer = BytesMut::from(&b"Q\x7f\xff\xff\xff"[..]);
        assert!(
            next_message(&mut buffer, 1000)
                .unwrap_err()
                .0
                .contains("over the limit of 1000")
        );
        let mut negative = BytesMut::from(&b"Q\xff\xff\xff\xff"[..]);
        assert!(next_message(&mut negative, 1000).is_err());
    }

    #[test]
    fn a_parameter_longer_than_its_message_is_refused() {
        let body = b"\0\0\0\0\0\x01\0\0\xff\xff";
        assert_eq!(next_message(&mut frame(b'B', body), 1000).unwrap_err(), short());
    }

    #[test]
    fn a_startup_packet_yields_its_parameters() {
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&30u32.to_be_bytes());
        buffer.extend_from_slice(&[0, 3, 0, 0]);
        buffer.extend_from_slice(b"user\0a\0database\0b\0\0");
        buffer.truncate(30);
        let mut exact = BytesMut::new();
        exact.extend_from_slice(&(buffer.len() as u32).to_be_bytes());
        exact.extend_from_slice(&buffer[4..]);
        assert_eq!(
            next_opening(&mut exact).unwrap().unwrap(),
            Opening::Startup {
                minor_version: 0,
                parameters: vec![("user".into(), "a".into()), ("database".into(), "b".into())],
            }
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = next_opening(&mut BytesMut::from(&bytes[..]));
            for kind in *b"QPBDCEHSXpdcfF" {
                let _ = next_message(&mut frame(kind, &bytes), 10_000);
            }
            let _ = next_message(&mut BytesMut::from(&bytes[..]), 10_000);
        }
    }
}
