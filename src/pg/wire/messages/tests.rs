use bytes::Bytes;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::{SASLResponse, SecretKey};
use pgwire::messages::terminate::Terminate;
use pgwire::messages::{Message, SslNegotiationMetaMessage};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 10_000;

fn encoded(message: &impl Message) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(&mut out).unwrap();
    out
}

/// A frame whose length is right, whatever its body.
fn frame(kind: u8, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::from(&[kind][..]);
    frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// An opening message whose length is right.
fn opening(body: &[u8]) -> BytesMut {
    frame(0, body).split_off(1)
}

/// One message of each kind, as `pgwire` writes them.
fn messages() -> Vec<BytesMut> {
    let bind = Bind::new(
        Some("p".to_owned()),
        Some("s".to_owned()),
        vec![1, 0],
        vec![None, Some(Bytes::from_static(&[7]))],
        vec![0],
    );
    vec![
        encoded(&Query::new("SELECT 1".into())),
        encoded(&Parse::new(Some("s".to_owned()), "SELECT $1, $2".into(), vec![23, 25])),
        encoded(&bind),
        encoded(&Describe::new(TARGET_TYPE_BYTE_STATEMENT, Some("s".to_owned()))),
        encoded(&Close::new(TARGET_TYPE_BYTE_PORTAL, None)),
        encoded(&Execute::new(Some("p".to_owned()), 3)),
        encoded(&Flush::new()),
        encoded(&Sync::new()),
        encoded(&Terminate::new()),
        encoded(&SASLInitialResponse::new("SCRAM-SHA-256".into(), Some(Bytes::from_static(b"n,,n=,r=a")))),
        encoded(&SASLResponse::new(Bytes::from_static(b"c=biws,r=a,p=b"))),
        encoded(&CopyData::new(Bytes::from_static(b"1\t2\n"))),
        encoded(&CopyDone::new()),
        encoded(&CopyFail::new("gone".into())),
    ]
}

fn openings() -> Vec<BytesMut> {
    let mut startup = Startup::new();
    startup.parameters.insert("user".into(), "a".into());
    startup.parameters.insert("database".into(), String::new());
    vec![
        encoded(&SslRequest::new()),
        encoded(&GssEncRequest::new()),
        encoded(&CancelRequest::new(7, SecretKey::Bytes(Bytes::from_static(b"secret")))),
        encoded(&startup),
    ]
}

/// Decodes what stands in front of `buffer`; what is accepted must be written by `pgwire` as it came.
fn accept(buffer: &mut BytesMut) -> Result<bool, Malformed> {
    let before = buffer.clone();
    let Some(request) = next_message(buffer, LIMIT)? else {
        assert_eq!(*buffer, before, "an incomplete message is left alone");
        return Ok(false);
    };
    if let Request::Message(message) = request {
        let mut written = BytesMut::new();
        message.encode(&mut written).unwrap();
        assert_eq!(written, before[..before.len() - buffer.len()]);
        if let PgWireFrontendMessage::PasswordMessageFamily(message) = message {
            let _ = sasl_initial(message);
        }
    }
    Ok(true)
}

#[test]
fn every_message_is_taken_once_it_is_whole() {
    for whole in messages() {
        for cut in 0..whole.len() {
            assert!(!accept(&mut BytesMut::from(&whole[..cut])).unwrap());
        }
        let mut buffer = whole.clone();
        buffer.extend_from_slice(b"next");
        assert!(accept(&mut buffer).unwrap(), "{whole:?}");
        assert_eq!(buffer, b"next"[..]);
    }
    for whole in openings() {
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert!(next_opening(&mut part).unwrap().is_none());
            assert_eq!(part, whole[..cut]);
        }
        let mut buffer = whole.clone();
        buffer.extend_from_slice(b"next");
        let mut written = BytesMut::new();
        let message = next_opening(&mut buffer).unwrap().unwrap();
        message.encode(&mut written).unwrap();
        assert_eq!((written, &buffer[..]), (whole, &b"next"[..]));
    }
}

#[test]
fn a_message_that_ends_too_early_or_too_late_is_refused() {
    for whole in messages() {
        let (kind, body) = (whole[0], &whole[5..]);
        if matches!(kind, b'd' | b'p') {
            continue;
        }
        for cut in 0..body.len() {
            assert!(next_message(&mut frame(kind, &body[..cut]), LIMIT).is_err(), "{whole:?} cut to {cut}");
        }
        let long = [body, b"\0"].concat();
        assert!(next_message(&mut frame(kind, &long), LIMIT).is_err(), "{whole:?}");
    }
    for whole in openings() {
        let body = &whole[4..];
        let cancels = CancelRequest::is_cancel_request_packet(&whole);
        for cut in 0..body.len() {
            // A cancel key may have any length from 4 bytes up.
            if !cancels || cut < 12 {
                assert!(next_opening(&mut opening(&body[..cut])).is_err(), "{whole:?} cut to {cut}");
            }
        }
        let long = [body, &[0; 256]].concat();
        assert!(next_opening(&mut opening(&long)).is_err(), "{whole:?}");
    }
}

#[test]
fn bind_reads_null_and_binary_parameters() {
    let body = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01\x07\0\x01\0\0";
    let request = next_message(&mut frame(b'B', body), LIMIT).unwrap().unwrap();
    let Request::Message(PgWireFrontendMessage::Bind(bind)) = request else {
        panic!("{request:?}");
    };
    let parameters = vec![None, Some(Bytes::from_static(&[7]))];
    assert_eq!(bind, Bind::new(Some("p".to_owned()), Some("s".to_owned()), vec![1], parameters, vec![0]));
}

#[test]
fn a_length_or_count_that_its_message_does_not_hold_is_refused() {
    let refused = |kind, body: &[u8]| next_message(&mut frame(kind, body), LIMIT).unwrap_err();
    assert_eq!(refused(b'B', b"\0\0\0\0\0\x01\0\0\xff\xff"), short());
    assert_eq!(refused(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), short());
    assert_eq!(refused(b'B', b"\0\0\0\0\0\0\xff\xff\0\0"), short());
    assert_eq!(refused(b'P', b"\0\0\xff\xff\0\0\0\x17"), short());
    assert_eq!(refused(b'B', b"\0\0\0\x01\0\x02\0\0\0\0").0, "unsupported format code 2");
    assert_eq!(refused(b'D', b"x\0").0, "invalid describe or close target 120");
    assert_eq!(refused(b'Q', b"\xff\0").0, "invalid byte sequence for encoding \"UTF8\"");
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_bytes_arrive() {
    let refused = |bytes: &[u8]| next_message(&mut BytesMut::from(bytes), 1000).unwrap_err().0;
    assert!(refused(b"Q\x7f\xff\xff\xff").contains("over the limit of 1000"));
    assert!(refused(b"Q\xff\xff\xff\xff").contains("invalid message length -1"));
    assert!(refused(b"Q\0\0\0\x03").contains("invalid message length 3"));
    let opening = next_opening(&mut BytesMut::from(&b"\0\0\x27\x11"[..])).unwrap_err();
    assert!(opening.0.contains("over the limit of 10000"), "{opening}");
}

#[test]
fn an_opening_says_what_it_asks_for() {
    let taken = |index: usize| next_opening(&mut openings()[index].clone()).unwrap().unwrap();
    assert!(matches!(
        taken(0),
        PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresSsl(_))
    ));
    assert!(matches!(
        taken(1),
        PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresGss(_))
    ));
    let PgWireFrontendMessage::CancelRequest(cancel) = taken(2) else {
        panic!("{:?}", taken(2));
    };
    assert_eq!((cancel.pid, cancel.secret_key.to_bytes()), (7, Bytes::from_static(b"secret")));
    let PgWireFrontendMessage::Startup(startup) = taken(3) else {
        panic!("{:?}", taken(3));
    };
    assert_eq!(startup.parameters["user"], "a");
    assert_eq!(startup.parameters["database"], "");
    let old = next_opening(&mut opening(b"\0\x02\0\0user\0a\0\0")).unwrap_err();
    assert!(old.0.contains("unsupported frontend protocol 2.0"), "{old}");
}

#[test]
fn a_sasl_answer_must_hold_the_data_that_it_announces() {
    let answer = |body: &[u8]| sasl_initial(PasswordMessageFamily::Raw(BytesMut::from(body)));
    let initial = answer(b"SCRAM-SHA-256\0\0\0\0\x01n").unwrap();
    assert_eq!(initial.auth_method, "SCRAM-SHA-256");
    assert_eq!(initial.data.as_deref(), Some(&b"n"[..]));
    assert_eq!(answer(b"SCRAM-SHA-256\0\xff\xff\xff\xff").unwrap().data, None);
    for body in [
        &b"SCRAM-SHA-256"[..],
        b"SCRAM-SHA-256\0",
        b"SCRAM-SHA-256\0\0\0\0\x02n",
        b"SCRAM-SHA-256\0\0\0\0\x01nn",
        b"SCRAM-SHA-256\0\x7f\xff\xff\xff",
        b"SCRAM-SHA-256\0\xff\xff\xff\xfe",
    ] {
        assert!(answer(body).is_err(), "{body:?}");
    }
}

/// What is done to a body: a byte is overwritten, inserted or removed, or the rest is cut off.
fn damage(body: &mut Vec<u8>, changes: &[(u8, usize, u8)]) {
    for (change, index, byte) in changes {
        let index = index % (body.len() + 1);
        match change {
            0 if index < body.len() => body[index] = *byte,
            1 if index < body.len() => drop(body.remove(index)),
            2 => body.insert(index, *byte),
            3 => body.truncate(index),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = next_opening(&mut BytesMut::from(&bytes[..]));
        let _ = next_opening(&mut opening(&bytes));
        let _ = next_opening(&mut opening(&[&[0, 3, 0, 0], &bytes[..]].concat()));
        let _ = accept(&mut BytesMut::from(&bytes[..]));
        for kind in KINDS {
            let _ = accept(&mut frame(*kind, &bytes));
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_read_as_it_stands(
        index in 0usize..14,
        changes in vec((0u8..4, 0usize..100, prop_oneof![any::<u8>(), Just(0), Just(255)]), 1..6),
    ) {
        let whole = &messages()[index];
        let mut body = whole[5..].to_vec();
        damage(&mut body, &changes);
        let _ = accept(&mut frame(whole[0], &body));
        let mut unframed = whole.to_vec();
        damage(&mut unframed, &changes);
        let mut buffer = BytesMut::from(&unframed[..]);
        while matches!(accept(&mut buffer), Ok(true)) {}
    }

    #[test]
    fn a_damaged_opening_never_panics(
        index in 0usize..4,
        changes in vec((0u8..4, 0usize..40, prop_oneof![any::<u8>(), Just(0), Just(255)]), 1..6),
    ) {
        let whole = &openings()[index];
        let mut body = whole[4..].to_vec();
        damage(&mut body, &changes);
        let _ = next_opening(&mut opening(&body));
        let mut unframed = whole.to_vec();
        damage(&mut unframed, &changes);
        let _ = next_opening(&mut BytesMut::from(&unframed[..]));
    }
}
