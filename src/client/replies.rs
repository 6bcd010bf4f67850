//! What a server sends, as receivers take it.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, ErrorFields, Header, Message, RowDescriptionBody};
use postgres_types::Type;

use crate::client::receiver::Column;
use crate::report::Report;

/// No message of ours is longer; a larger length means that the other side is no hyprstream.
const MAX_BYTES: i32 = 1 << 30;

/// Takes the next whole message off the front of `buffer`, or `None` while it is incomplete.
pub(super) fn next_message(buffer: &mut BytesMut) -> io::Result<Option<Message>> {
    if let Some(header) = Header::parse(buffer)?
        && header.len() > MAX_BYTES
    {
        return Err(malformed(format!("the server sent a message of {} bytes", header.len())));
    }
    Message::parse(buffer)
}

/// The columns of a result. A type that is not built into Postgres is shown as its text.
pub(super) fn columns(body: &RowDescriptionBody) -> io::Result<Vec<Column>> {
    let column = |name: &str, oid| Column {
        name: name.to_owned(),
        data_type: Type::from_oid(oid).unwrap_or(Type::TEXT),
    };
    body.fields().map(|field| Ok(column(field.name(), field.type_oid()))).collect()
}

/// The values of a row, as text.
pub(super) fn row(body: &DataRowBody) -> io::Result<Vec<Option<String>>> {
    let text = |range| String::from_utf8_lossy(&body.buffer()[range]).into_owned();
    body.ranges().map(|range| Ok(range.map(text))).collect()
}

/// An error or notice.
pub(super) fn report(mut fields: ErrorFields<'_>) -> io::Result<Report> {
    let mut report = Report::error("XX000", "");
    while let Some(field) = fields.next()? {
        let value = std::str::from_utf8(field.value_bytes()).map_err(malformed)?;
        match field.type_() {
            b'V' => report.severity = severity(value),
            b'C' => report.sqlstate = sqlstate(value),
            b'M' => value.clone_into(&mut report.message),
            b'H' => report.hint = Some(value.to_owned()),
            b'P' => report.position = value.parse().ok(),
            _ => {}
        }
    }
    Ok(report)
}

fn malformed(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
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
    use bytes::BufMut;
    use pgwire::error::ErrorInfo;
    use pgwire::messages::Message as _;
    use pgwire::messages::data::{FieldDescription, RowDescription};
    use pgwire::messages::response::{CommandComplete, ErrorResponse};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_server_writes_is_read_back() {
        let mut buffer = BytesMut::new();
        let field = FieldDescription::new("a".into(), 0, 0, Type::TEXT.oid(), -1, -1, 0);
        RowDescription::new(vec![field]).encode(&mut buffer).unwrap();
        let mut info = ErrorInfo::new("ERROR".into(), "57014".into(), "stopped".into());
        info.severity_nonlocalized = Some("ERROR".into());
        info.hint = Some("wait".into());
        info.position = Some("7".into());
        ErrorResponse::from(info).encode(&mut buffer).unwrap();
        CommandComplete::new("SELECT 1".into()).encode(&mut buffer).unwrap();
        let mut next = || next_message(&mut buffer).unwrap();
        let Some(Message::RowDescription(body)) = next() else { panic!("no columns") };
        assert_eq!(columns(&body).unwrap(), [Column { name: "a".into(), data_type: Type::TEXT }]);
        let Some(Message::ErrorResponse(body)) = next() else { panic!("no error") };
        let stopped = Report { position: Some(7), ..Report::error("57014", "stopped").with_hint("wait") };
        assert_eq!(report(body.fields()).unwrap(), stopped);
        let Some(Message::CommandComplete(body)) = next() else { panic!("no tag") };
        assert_eq!(body.tag().unwrap(), "SELECT 1");
        assert!(next().is_none());
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_its_bytes_arrive() {
        let error = next_message(&mut BytesMut::from(&b"D\x7f\xff\xff\xff"[..])).err().unwrap();
        assert!(error.to_string().contains("2147483647 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            for kind in *b"RKTDCENZ" {
                let mut frame = BytesMut::new();
                frame.put_u8(kind);
                frame.put_u32(bytes.len() as u32 + 4);
                frame.put_slice(&bytes);
                match next_message(&mut frame) {
                    Ok(Some(Message::RowDescription(body))) => drop(columns(&body)),
                    Ok(Some(Message::DataRow(body))) => drop(row(&body)),
                    Ok(Some(Message::ErrorResponse(body))) => drop(report(body.fields())),
                    Ok(Some(Message::NoticeResponse(body))) => drop(report(body.fields())),
                    Ok(Some(Message::CommandComplete(body))) => drop(body.tag().map(str::len)),
                    _ => {}
                }
            }
            let _ = next_message(&mut BytesMut::from(&bytes[..]));
        }
    }
}
