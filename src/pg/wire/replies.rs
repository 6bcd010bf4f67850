//! What the server answers, as messages of `pgwire`.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{CommandComplete, ErrorResponse, NoticeResponse};

use super::errors::Report;
use super::messages::Format;
use super::types::ColumnType;

/// Appends a message, or nothing where it is longer than the protocol allows.
pub(crate) fn try_put(out: &mut BytesMut, message: &impl Message) -> Result<(), Report> {
    let start = out.len();
    message.encode(out).map_err(|error| {
        out.truncate(start);
        Report::error("54000", format!("cannot send the answer: {error}"))
    })
}

/// Appends a message that only the server's own words make long.
pub(crate) fn put(out: &mut BytesMut, message: &impl Message) {
    if let Err(report) = try_put(out, message) {
        tracing::error!("{}", report.message);
    }
}

/// Text for a C string; a NUL inside would end it early and shift the rest of the message.
pub(crate) fn c_text(text: &str) -> String {
    text.replace('\0', "")
}

pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    put(out, &CommandComplete::new(c_text(tag)));
}

pub(crate) fn row_description<'a>(
    out: &mut BytesMut,
    columns: impl Iterator<Item = (&'a str, ColumnType, Format)>,
) {
    let fields = columns.map(|(name, column_type, format)| {
        FieldDescription::new(
            c_text(name),
            0,
            0,
            column_type.oid,
            column_type.size,
            column_type.modifier,
            format.code(),
        )
    });
    put(out, &RowDescription::new(fields.collect()));
}

/// An `ErrorResponse`.
pub(crate) fn error(out: &mut BytesMut, report: &Report) {
    put(out, &ErrorResponse::from(report.info()));
}

/// A `NoticeResponse`.
pub(crate) fn notice(out: &mut BytesMut, report: &Report) {
    put(out, &NoticeResponse::from(report.info()));
}

#[cfg(test)]
mod tests {
    use pgwire::messages::response::CommandComplete;

    use super::*;

    #[test]
    fn a_nul_in_a_message_does_not_end_its_field() {
        let mut out = BytesMut::new();
        error(&mut out, &Report::error("42P01", "no \0 table").with_hint("a\0b"));
        assert_eq!(&out[..], b"E\0\0\0\x29SERROR\0VERROR\0C42P01\0Mno  table\0Hab\0\0");
    }

    #[test]
    fn a_message_that_is_too_long_leaves_nothing_behind() {
        let mut out = BytesMut::from(&b"before"[..]);
        let report = try_put(&mut out, &CommandComplete::new("x".repeat(30_000))).unwrap_err();
        assert_eq!(report.sqlstate, "54000");
        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn a_row_description_names_type_and_format() {
        let mut out = BytesMut::new();
        let column = ColumnType { oid: 25, size: -1, modifier: -1 };
        row_description(&mut out, [("a", column, Format::Binary)].into_iter());
        assert_eq!(&out[..], b"T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\x01");
    }
}
