//! What the server answers, as messages of `pgwire`.

use bytes::BytesMut;
use pgwire::error::ErrorInfo;
use pgwire::messages::Message;
use pgwire::messages::response::{CommandComplete, ErrorResponse, NoticeResponse};

use crate::report::Report;

/// Appends a message, or nothing where it is longer than the protocol allows.
pub(crate) fn try_put(out: &mut BytesMut, message: &impl Message) -> Result<(), Report> {
    let start = out.len();
    message.encode(out).map_err(|error| {
        out.truncate(start);
        Report::error("54000", format!("cannot send the answer: {error}"))
    })
}

/// Appends a message whose length the server decides, so that it is never too long.
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

/// An `ErrorResponse`.
pub(crate) fn error(out: &mut BytesMut, report: &Report) {
    put(out, &ErrorResponse::from(info(report)));
}

/// A `NoticeResponse`.
pub(crate) fn notice(out: &mut BytesMut, report: &Report) {
    put(out, &NoticeResponse::from(info(report)));
}

fn info(report: &Report) -> ErrorInfo {
    let severity = report.severity.to_owned();
    let mut info = ErrorInfo::new(severity.clone(), report.sqlstate.to_owned(), c_text(&report.message));
    info.severity_nonlocalized = Some(severity);
    info.hint = report.hint.as_deref().map(c_text);
    info.position = report.position.map(|position| position.to_string());
    info
}

#[cfg(test)]
mod tests {
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
}
