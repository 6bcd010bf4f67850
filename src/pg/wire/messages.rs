//! What a Postgres client sends: checked here, then decoded by `pgwire`.
//!
//! The decoders of `pgwire` 0.41 take the counts and lengths inside a message at their word: those of `Parse` and
//! `Bind` panic in `get_u16` and the like where the frame ends before the counted elements do, and those of `Bind`
//! and `SASLInitialResponse` in `split_to` where a value's length is more than what is left. So nothing reaches a
//! decoder before every length, count and terminating zero has been verified against the bytes of its frame; a
//! malformed message is an error of its connection and never more.

use bytes::{Buf, BytesMut};
use pgwire::error::PgWireError;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::data::{FORMAT_CODE_BINARY, FORMAT_CODE_TEXT};
use pgwire::messages::extendedquery::{TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT};
use pgwire::messages::startup::{
    GssEncRequest, PasswordMessageFamily, SASLInitialResponse, SslRequest, Startup,
};
use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};

/// The largest frame accepted before a client has authenticated.
pub(crate) const MAX_STARTUP_BYTES: usize = 10_000;

/// The type bytes of the messages that a client may send.
const KINDS: &[u8] = b"QPBDCEHSXpdcfF";

/// A message that breaks the protocol, and why; its connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub String);

impl From<PgWireError> for Malformed {
    fn from(error: PgWireError) -> Self {
        Self(error.to_string())
    }
}

/// A message of an open connection.
#[derive(Debug)]
pub(crate) enum Request {
    Message(PgWireFrontendMessage),
    /// The one message that `pgwire` does not know; it is refused whatever it calls.
    FunctionCall,
}

/// Takes the next whole message off the front of `buffer`, or `None` while it is incomplete.
pub(crate) fn next_message(buffer: &mut BytesMut, max_bytes: usize) -> Result<Option<Request>, Malformed> {
    let Some((&kind, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    if !KINDS.contains(&kind) {
        return Err(Malformed(format!("invalid frontend message type {kind}")));
    }
    let Some(length) = whole_frame(rest, max_bytes)? else {
        return Ok(None);
    };
    let frame = buffer.split_to(1 + length);
    if kind == b'F' {
        return Ok(Some(Request::FunctionCall));
    }
    check_message(kind, frame.get(5..).unwrap_or_default())?;
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    decode(frame, &context).map(|message| Some(Request::Message(message)))
}

/// Takes the opening message, which has no type byte, off the front of `buffer`, or `None` while it is
/// incomplete.
pub(crate) fn next_opening(buffer: &mut BytesMut) -> Result<Option<PgWireFrontendMessage>, Malformed> {
    let Some(length) = whole_frame(buffer, MAX_STARTUP_BYTES)? else {
        return Ok(None);
    };
    let frame = buffer.split_to(length);
    check_opening(&frame)?;
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    context.awaiting_frontend_ssl = requests_encryption(&frame);
    decode(frame, &context).map(Some)
}

/// Reads the first answer of a client that authenticates.
pub(crate) fn sasl_initial(message: PasswordMessageFamily) -> Result<SASLInitialResponse, Malformed> {
    if let PasswordMessageFamily::Raw(body) = &message {
        let mut body = &body[..];
        c_string(&mut body)?;
        value(&mut body)?;
        end(body)?;
    }
    Ok(message.into_sasl_initial_response()?)
}

fn decode(mut frame: BytesMut, context: &DecodeContext) -> Result<PgWireFrontendMessage, Malformed> {
    PgWireFrontendMessage::decode(&mut frame, context)?.ok_or_else(short)
}

/// The length that a frame declares, itself included, once all of its bytes are there.
fn whole_frame(buffer: &[u8], max_bytes: usize) -> Result<Option<usize>, Malformed> {
    let Some(bytes) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*bytes);
    match usize::try_from(length) {
        Ok(length) if length > max_bytes => {
            Err(Malformed(format!("message of {length} bytes is over the limit of {max_bytes} bytes")))
        }
        Ok(length) if length >= 4 => Ok((buffer.len() >= length).then_some(length)),
        _ => Err(Malformed(format!("invalid message length {length}"))),
    }
}

fn check_message(kind: u8, mut body: &[u8]) -> Result<(), Malformed> {
    let rest = &mut body;
    match kind {
        b'Q' | b'f' => {
            c_string(rest)?;
        }
        b'P' => {
            c_string(rest)?;
            c_string(rest)?;
            list(rest, |rest| integer32(rest).map(drop))?;
        }
        b'B' => {
            c_string(rest)?;
            c_string(rest)?;
            list(rest, format)?;
            list(rest, value)?;
            list(rest, format)?;
        }
        b'D' | b'C' => {
            target(rest)?;
            c_string(rest)?;
        }
        b'E' => {
            c_string(rest)?;
            integer32(rest)?;
        }
        // The bodies of these are data alone; what a password message holds depends on what was asked.
        b'd' | b'p' => return Ok(()),
        _ => {}
    }
    end(body)
}

fn check_opening(frame: &[u8]) -> Result<(), Malformed> {
    let Some((_, mut body)) = frame.split_at_checked(4) else {
        return Err(short());
    };
    let version = integer32(&mut body)?;
    if requests_encryption(frame) {
        return end(body);
    }
    if CancelRequest::is_cancel_request_packet(frame) {
        integer32(&mut body)?;
        return match body.len() {
            4..=256 => Ok(()),
            length => Err(Malformed(format!("invalid cancel key of {length} bytes"))),
        };
    }
    if version >> 16 != u32::from(Startup::PG_PROTOCOL_LATEST) {
        return Err(Malformed(format!(
            "unsupported frontend protocol {}.{}: server supports 3.0",
            version >> 16,
            version & 0xffff
        )));
    }
    while !c_string(&mut body)?.is_empty() {
        c_string(&mut body)?;
    }
    end(body)
}

fn requests_encryption(frame: &[u8]) -> bool {
    SslRequest::is_ssl_request_packet(frame) || GssEncRequest::is_gss_enc_request_packet(frame)
}

fn short() -> Malformed {
    Malformed("insufficient data left in message".into())
}

fn end(rest: &[u8]) -> Result<(), Malformed> {
    match rest.len() {
        0 => Ok(()),
        left => Err(Malformed(format!("invalid message format: {left} bytes left over"))),
    }
}

fn integer32(body: &mut &[u8]) -> Result<u32, Malformed> {
    body.try_get_u32().map_err(|_| short())
}

/// A NUL-terminated string.
fn c_string<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(short)?;
    let (text, after) = rest.split_at(end);
    *rest = &after[1..];
    std::str::from_utf8(text).map_err(|_| Malformed("invalid byte sequence for encoding \"UTF8\"".into()))
}

/// A counted list; a count that the remaining bytes cannot hold is found by the first item that is missing.
fn list(rest: &mut &[u8], item: impl Fn(&mut &[u8]) -> Result<(), Malformed>) -> Result<(), Malformed> {
    let count = rest.try_get_u16().map_err(|_| short())?;
    (0..count).try_for_each(|_| item(rest))
}

fn format(rest: &mut &[u8]) -> Result<(), Malformed> {
    match rest.try_get_i16().map_err(|_| short())? {
        FORMAT_CODE_TEXT | FORMAT_CODE_BINARY => Ok(()),
        other => Err(Malformed(format!("unsupported format code {other}"))),
    }
}

/// A value with its length before it, which is -1 for NULL.
fn value(rest: &mut &[u8]) -> Result<(), Malformed> {
    let length = integer32(rest)? as i32;
    if length == -1 {
        return Ok(());
    }
    let length = usize::try_from(length).map_err(|_| short())?;
    *rest = rest.get(length..).ok_or_else(short)?;
    Ok(())
}

fn target(rest: &mut &[u8]) -> Result<(), Malformed> {
    match rest.try_get_u8().map_err(|_| short())? {
        TARGET_TYPE_BYTE_STATEMENT | TARGET_TYPE_BYTE_PORTAL => Ok(()),
        other => Err(Malformed(format!("invalid describe or close target {other}"))),
    }
}

#[cfg(test)]
mod tests;
