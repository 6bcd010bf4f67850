//! What a server sends, decoded.

use bytes::{Buf, Bytes, BytesMut};

use super::Column;
use crate::pg::errors::Report;
use crate::pg::messages::{Malformed, integer32, text};

/// No message of ours is longer; a larger length means that the other side is no hyprstream.
const MAX_BYTES: usize = 1 << 30;

/// A message of the server that a client of text results cares about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    AuthenticationOk,
    Sasl,
    SaslContinue(String),
    SaslFinal(String),
    KeyData { process: u32, secret: Bytes },
    Columns(Vec<Column>),
    Row(Vec<Option<String>>),
    Complete(String),
    Error(Report),
    Notice(Report),
    Ready { in_transaction: bool },
    Other,
}

/// Takes the next whole message off the front of `buffer`.
pub(super) fn next_reply(buffer: &mut BytesMut) -> Result<Option<Reply>, Malformed> {
    let (Some(kind), Some(length)) = (buffer.first().copied(), buffer.get(1..5)) else {
        return Ok(None);
    };
    let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    if !(4..=MAX_BYTES).contains(&length) {
        return Err(Malformed(format!("the server sent a message of {length} bytes")));
    }
    if buffer.len() < 1 + length {
        return Ok(None);
    }
    let mut body = buffer.split_to(1 + length).freeze();
    body.advance(5);
    decode(kind, &mut body).map(Some)
}

fn decode(kind: u8, body: &mut Bytes) -> Result<Reply, Malformed> {
    Ok(match kind {
        b'R' => match integer32(body)? {
            0 => Reply::AuthenticationOk,
            10 => Reply::Sasl,
            11 => Reply::SaslContinue(String::from_utf8_lossy(body).into_owned()),
            12 => Reply::SaslFinal(String::from_utf8_lossy(body).into_owned()),
            other => {
                return Err(Malformed(format!("the server asks for authentication method {other}")));
            }
        },
        b'K' => Reply::KeyData { process: integer32(body)?, secret: std::mem::take(body) },
        b'T' => Reply::Columns(items(body, column)?),
        b'D' => Reply::Row(items(body, value)?),
        b'C' => Reply::Complete(text(body)?),
        b'E' => Reply::Error(report(body)?),
        b'N' => Reply::Notice(report(body)?),
        b'Z' => Reply::Ready { in_transaction: body.first() != Some(&b'I') },
        _ => Reply::Other,
    })
}

fn items<T>(
    body: &mut Bytes,
    item: impl Fn(&mut Bytes) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = body.try_get_u16().map_err(|_| short())?;
    (0..count).map(|_| item(body)).collect()
}

fn short() -> Malformed {
    Malformed("the server sent a message that is cut short".into())
}

fn column(body: &mut Bytes) -> Result<Column, Malformed> {
    let name = text(body)?;
    if body.len() < 18 {
        return Err(short());
    }
    body.advance(6);
    let oid = integer32(body)?;
    body.advance(8);
    Ok(Column { name, oid })
}

fn value(body: &mut Bytes) -> Result<Option<String>, Malformed> {
    let length = integer32(body)? as i32;
    if length == -1 {
        return Ok(None);
    }
    match usize::try_from(length) {
        Ok(length) if length <= body.len() => {
            Ok(Some(String::from_utf8_lossy(&body.split_to(length)).into_owned()))
        }
        _ => Err(short()),
    }
}

fn report(body: &mut Bytes) -> Result<Report, Malformed> {
    let mut report = Report::error("XX000", "");
    loop {
        let field = body.try_get_u8().map_err(|_| short())?;
        if field == 0 {
            return Ok(report);
        }
        let value = text(body)?;
        match field {
            b'V' => report.severity = severity(&value),
            b'C' => report.sqlstate = sqlstate(&value),
            b'M' => report.message = value,
            b'H' => report.hint = Some(value),
            b'P' => report.position = value.parse().ok(),
            _ => {}
        }
    }
}

fn severity(text: &str) -> &'static str {
    ["FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "LOG", "DEBUG"]
        .into_iter()
        .find(|known| *known == text)
        .unwrap_or("ERROR")
}

/// The commands only tell a cancelled statement from other errors.
fn sqlstate(text: &str) -> &'static str {
    if text == "57014" { "57014" } else { "XX000" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pg::messages::Format;
    use crate::pg::types::ColumnType;

    #[test]
    fn what_the_server_writes_is_read_back() {
        use crate::pg::replies;
        let mut buffer = BytesMut::new();
        let column_type = ColumnType { oid: 25, size: -1, modifier: -1 };
        replies::row_description(&mut buffer, [("a", column_type, Format::Text)].into_iter());
        let error = Report { position: Some(7), ..Report::error("57014", "stopped").with_hint("wait") };
        replies::error(&mut buffer, &error);
        replies::command_complete(&mut buffer, "SELECT 1");
        let mut replies = Vec::new();
        while let Some(reply) = next_reply(&mut buffer).unwrap() {
            replies.push(reply);
        }
        let columns = vec![Column { name: "a".into(), oid: 25 }];
        assert_eq!(
            replies,
            [Reply::Columns(columns), Reply::Error(error), Reply::Complete("SELECT 1".into())]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            for kind in *b"RKTDCENZ" {
                let _ = decode(kind, &mut Bytes::from(bytes.clone()));
            }
            let _ = next_reply(&mut BytesMut::from(&bytes[..]));
        }
    }
}
