//! What the server answers, encoded into frames.

use bytes::{BufMut, BytesMut};

use super::errors::Report;
use super::types::ColumnType;
use crate::pg::messages::Format;

/// Whether a transaction block is open, as `ReadyForQuery` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    Idle,
    Open,
    Failed,
}

/// Writes one frame: its type, then what `body` appends, then the length that came of it.
pub(crate) fn frame(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A C string; a NUL inside would end it early and shift the rest of the message.
fn put_text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

pub(crate) fn authentication_ok(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_u32(0));
}

pub(crate) fn authentication_sasl(out: &mut BytesMut, mechanism: &str) {
    frame(out, b'R', |out| {
        out.put_u32(10);
        put_text(out, mechanism);
        out.put_u8(0);
    });
}

pub(crate) fn authentication_sasl_continue(out: &mut BytesMut, data: &str) {
    frame(out, b'R', |out| {
        out.put_u32(11);
        out.put_slice(data.as_bytes());
    });
}

pub(crate) fn authentication_sasl_final(out: &mut BytesMut, data: &str) {
    frame(out, b'R', |out| {
        out.put_u32(12);
        out.put_slice(data.as_bytes());
    });
}

/// Tells a client that asked for a newer 3.x which one it gets, and which of its options are unknown.
pub(crate) fn negotiate_protocol_version(out: &mut BytesMut, unknown_options: &[&str]) {
    frame(out, b'v', |out| {
        out.put_u32(3 << 16);
        out.put_u32(unknown_options.len() as u32);
        for option in unknown_options {
            put_text(out, option);
        }
    });
}

pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    frame(out, b'S', |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

pub(crate) fn backend_key_data(out: &mut BytesMut, process: u32, secret: [u8; 4]) {
    frame(out, b'K', |out| {
        out.put_u32(process);
        out.put_slice(&secret);
    });
}

pub(crate) fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::Open => b'T',
        TransactionStatus::Failed => b'E',
    };
    frame(out, b'Z', |out| out.put_u8(status));
}

pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    frame(out, b'C', |out| put_text(out, tag));
}

pub(crate) fn empty_query(out: &mut BytesMut) {
    frame(out, b'I', |_| {});
}

pub(crate) fn parse_complete(out: &mut BytesMut) {
    frame(out, b'1', |_| {});
}

pub(crate) fn bind_complete(out: &mut BytesMut) {
    frame(out, b'2', |_| {});
}

pub(crate) fn close_complete(out: &mut BytesMut) {
    frame(out, b'3', |_| {});
}

pub(crate) fn no_data(out: &mut BytesMut) {
    frame(out, b'n', |_| {});
}

pub(crate) fn portal_suspended(out: &mut BytesMut) {
    frame(out, b's', |_| {});
}

pub(crate) fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    frame(out, b't', |out| {
        out.put_u16(types.len() as u16);
        for oid in types {
            out.put_u32(*oid);
        }
    });
}

pub(crate) fn row_description<'a>(
    out: &mut BytesMut,
    columns: impl ExactSizeIterator<Item = (&'a str, ColumnType, Format)>,
) {
    frame(out, b'T', |out| {
        out.put_u16(columns.len() as u16);
        for (name, column_type, format) in columns {
            put_text(out, name);
            out.put_u32(0);
            out.put_u16(0);
            out.put_u32(column_type.oid);
            out.put_i16(column_type.size);
            out.put_i32(column_type.modifier);
            out.put_u16(u16::from(format == Format::Binary));
        }
    });
}

/// An `ErrorResponse`.
pub(crate) fn error(out: &mut BytesMut, report: &Report) {
    frame(out, b'E', |out| report_fields(out, report));
}

/// A `NoticeResponse`.
pub(crate) fn notice(out: &mut BytesMut, report: &Report) {
    frame(out, b'N', |out| report_fields(out, report));
}

fn report_fields(out: &mut BytesMut, report: &Report) {
    let mut field = |code: u8, text: &str| {
        out.put_u8(code);
        put_text(out, text);
    };
    field(b'S', report.severity);
    field(b'V', report.severity);
    field(b'C', report.sqlstate);
    field(b'M', &report.message);
    if let Some(hint) = &report.hint {
        field(b'H', hint);
    }
    if let Some(position) = report.position {
        field(b'P', &position.to_string());
    }
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_its_length_without_its_type() {
        let mut out = BytesMut::new();
        command_complete(&mut out, "SELECT 3");
        assert_eq!(&out[..], b"C\0\0\0\x0dSELECT 3\0");
    }

    #[test]
    fn a_nul_in_a_message_does_not_end_its_field() {
        let mut out = BytesMut::new();
        error(&mut out, &Report::error("42P01", "no \0 table"));
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(text.contains("Mno  table\0"), "{text:?}");
    }

    #[test]
    fn a_row_description_names_type_and_format() {
        let mut out = BytesMut::new();
        let column = ColumnType {
            oid: 25,
            size: -1,
            modifier: -1,
        };
        row_description(&mut out, [("a", column, Format::Binary)].into_iter());
        assert_eq!(
            &out[..],
            b"T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\x01"
        );
    }
}
