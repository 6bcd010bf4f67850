//! Parameters of a Bind message as scalar values.

use bytes::{Buf, Bytes};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::ScalarValue;

use super::encode::read_numeric;
use super::errors::Report;
use super::messages::Format;
use super::types::{self, oid};

/// Days and microseconds between the epochs of Arrow and Postgres.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// The type that a statement's parameter has on the wire and in the plan.
#[derive(Debug, Clone)]
pub(crate) struct ParameterType {
    pub oid: u32,
    pub data_type: DataType,
}

/// Reads parameter number `index` (from 0).
pub(crate) fn read(
    index: usize,
    expected: &ParameterType,
    format: Format,
    bytes: Option<Bytes>,
) -> Result<ScalarValue, Report> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(&expected.data_type)
            .map_err(|error| invalid(index, &error.to_string()));
    };
    let value = match format {
        Format::Text => std::str::from_utf8(&bytes)
            .map_err(|_| "invalid byte sequence for encoding \"UTF8\"".to_string())
            .and_then(|text| read_text(text, &expected.data_type)),
        Format::Binary => read_binary(bytes, expected.oid),
    };
    let value = value.map_err(|reason| invalid(index, &reason))?;
    if value.data_type() == expected.data_type {
        return Ok(value);
    }
    value.cast_to(&expected.data_type).map_err(|error| invalid(index, &error.to_string()))
}

fn invalid(index: usize, reason: &str) -> Report {
    Report::error("22P02", format!("invalid value for parameter ${}: {reason}", index + 1))
}

fn read_text(text: &str, data_type: &DataType) -> Result<ScalarValue, String> {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => read_hex(text)
            .map(|bytes| ScalarValue::Binary(Some(bytes)))
            .ok_or_else(|| "bytea is written as \\x and hexadecimal digits".into()),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let items = array_items(text).ok_or_else(|| format!("malformed array literal: \"{text}\""))?;
            let items = items
                .into_iter()
                .map(|item_text| match item_text {
                    Some(item_text) => read_text(&item_text, item.data_type()),
                    None => ScalarValue::try_from(item.data_type()).map_err(|error| error.to_string()),
                })
                .collect::<Result<Vec<_>, _>>()?;
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())))
        }
        DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "n" | "no" | "off" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(format!("\"{text}\" is not a boolean")),
        },
        DataType::Null | DataType::Utf8 => Ok(ScalarValue::from(text)),
        _ => ScalarValue::try_from_string(text.trim().to_string(), data_type)
            .map_err(|error| error.to_string()),
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.chunks(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

fn read_binary(mut bytes: Bytes, type_oid: u32) -> Result<ScalarValue, String> {
    let body = &mut bytes;
    let short = |_| "too few bytes".to_string();
    let value = match type_oid {
        oid::BOOL => ScalarValue::Boolean(Some(body.try_get_u8().map_err(short)? != 0)),
        oid::INT2 => ScalarValue::Int16(Some(body.try_get_i16().map_err(short)?)),
        oid::INT4 => ScalarValue::Int32(Some(body.try_get_i32().map_err(short)?)),
        oid::INT8 => ScalarValue::Int64(Some(body.try_get_i64().map_err(short)?)),
        oid::OID => ScalarValue::UInt32(Some(body.try_get_u32().map_err(short)?)),
        oid::FLOAT4 => ScalarValue::Float32(Some(body.try_get_f32().map_err(short)?)),
        oid::FLOAT8 => ScalarValue::Float64(Some(body.try_get_f64().map_err(short)?)),
        oid::DATE => ScalarValue::Date32(Some(body.try_get_i32().map_err(short)?.saturating_add(EPOCH_DAYS))),
        oid::TIME => ScalarValue::Time64Microsecond(Some(body.try_get_i64().map_err(short)?)),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let micros = body.try_get_i64().map_err(short)?.saturating_add(EPOCH_MICROS);
            let zone = (type_oid == oid::TIMESTAMPTZ).then(|| "+00:00".into());
            ScalarValue::TimestampMicrosecond(Some(micros), zone)
        }
        oid::INTERVAL => {
            let micros = body.try_get_i64().map_err(short)?;
            let days = body.try_get_i32().map_err(short)?;
            let months = body.try_get_i32().map_err(short)?;
            let value = IntervalMonthDayNano::new(months, days, micros.saturating_mul(1000));
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        oid::NUMERIC => {
            let text = read_numeric(&std::mem::take(body)).ok_or("malformed numeric")?;
            ScalarValue::Utf8(Some(text))
        }
        oid::BYTEA => ScalarValue::Binary(Some(std::mem::take(body).to_vec())),
        oid::JSONB => {
            // A version byte stands before the text.
            body.try_get_u8().map_err(short)?;
            read_utf8(&std::mem::take(body))?
        }
        array if types::element_of(array).is_some() => read_array(body, array)?,
        _ => read_utf8(&std::mem::take(body))?,
    };
    if body.has_remaining() { Err("too many bytes".into()) } else { Ok(value) }
}

fn read_utf8(bytes: &Bytes) -> Result<ScalarValue, String> {
    String::from_utf8(bytes.to_vec())
        .map(|text| ScalarValue::Utf8(Some(text)))
        .map_err(|_| "invalid byte sequence for encoding \"UTF8\"".into())
}

fn read_array(body: &mut Bytes, array: u32) -> Result<ScalarValue, String> {
    let short = |_| "too few bytes".to_string();
    let dimensions = body.try_get_i32().map_err(short)?;
    body.try_get_i32().map_err(short)?;
    let element = body.try_get_u32().map_err(short)?;
    if types::element_of(array) != Some(element) {
        return Err(format!("elements of type {element} in an array of type {array}"));
    }
    let item_type = types::parameter_type(element).ok_or("unsupported element type")?;
    let mut items = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let count = body.try_get_i32().map_err(short)?;
            body.try_get_i32().map_err(short)?;
            for _ in 0..count {
                let length = body.try_get_i32().map_err(short)?;
                items.push(match usize::try_from(length) {
                    Ok(length) if length <= body.len() => {
                        let value = read_binary(body.split_to(length), element)?;
                        value.cast_to(&item_type).map_err(|error| error.to_string())?
                    }
                    Err(_) if length == -1 => {
                        ScalarValue::try_from(&item_type).map_err(|error| error.to_string())?
                    }
                    _ => return Err("too few bytes".into()),
                });
            }
        }
        _ => return Err("arrays of more than one dimension are not supported".into()),
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &item_type)))
}

/// The items of an array literal such as `{1,NULL,"two words"}`, or `None` where it is malformed.
pub(crate) fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut letters = inner.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let mut item = String::new();
        let quoted = letters.next_if_eq(&'"').is_some();
        loop {
            match letters.next_if(|letter| quoted || *letter != ',') {
                Some('\\') => item.push(letters.next()?),
                Some('"') if quoted => break,
                Some('"' | '{' | '}') if !quoted => return None,
                Some(letter) => item.push(letter),
                None if quoted => return None,
                None => break,
            }
        }
        while letters.next_if(|letter| quoted && letter.is_whitespace()).is_some() {}
        let bare = item.trim_end();
        if !quoted && bare.is_empty() {
            return None;
        }
        items.push(match quoted {
            true => Some(item),
            false if bare.eq_ignore_ascii_case("null") => None,
            false => Some(bare.to_string()),
        });
        match letters.next() {
            Some(',') => {}
            None => return Some(items),
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameter(type_oid: u32) -> ParameterType {
        ParameterType { oid: type_oid, data_type: types::parameter_type(type_oid).unwrap() }
    }

    fn text(type_oid: u32, text: &'static str) -> Result<ScalarValue, Report> {
        read(0, &parameter(type_oid), Format::Text, Some(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn text_and_binary_give_the_same_value() {
        let binary = |type_oid, bytes: &'static [u8]| {
            read(0, &parameter(type_oid), Format::Binary, Some(Bytes::from_static(bytes))).unwrap()
        };
        assert_eq!(text(oid::INT4, "-7").unwrap(), binary(oid::INT4, &[0xff, 0xff, 0xff, 0xf9]));
        assert_eq!(text(oid::BOOL, "t").unwrap(), binary(oid::BOOL, &[1]));
        assert_eq!(text(oid::DATE, "2000-01-02").unwrap(), binary(oid::DATE, &[0, 0, 0, 1]));
        assert_eq!(
            text(oid::TIMESTAMP, "2000-01-01 00:00:01").unwrap(),
            binary(oid::TIMESTAMP, &[0, 0, 0, 0, 0, 0x0f, 0x42, 0x40])
        );
        assert_eq!(text(oid::BYTEA, "\\x00ff").unwrap(), binary(oid::BYTEA, &[0, 255]));
        assert_eq!(
            text(1021, "{0.5,NULL}").unwrap(),
            binary(
                1021,
                &[
                    0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 2, 0xbc, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0x3f, 0, 0, 0,
                    0xff, 0xff, 0xff, 0xff
                ]
            )
        );
        assert_eq!(
            text(oid::NUMERIC, "12.5").unwrap(),
            binary(oid::NUMERIC, &[0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x13, 0x88])
        );
    }

    #[test]
    fn a_null_has_the_type_of_its_parameter() {
        let value = read(0, &parameter(oid::INT8), Format::Binary, None).unwrap();
        assert_eq!(value, ScalarValue::Int64(None));
    }

    #[test]
    fn a_value_that_does_not_parse_names_its_parameter() {
        let report = text(oid::INT4, "seven").unwrap_err();
        assert_eq!(report.sqlstate, "22P02");
        assert!(report.message.contains("$1"), "{}", report.message);
    }

    #[test]
    fn array_literals_unquote_their_items() {
        let items = array_items(r#"{a, "b \"c\"", NULL, "null", d e}"#).unwrap();
        let items: Vec<_> = items.iter().map(Option::as_deref).collect();
        assert_eq!(items, [Some("a"), Some("b \"c\""), None, Some("null"), Some("d e")]);
        for malformed in ["{a", "{a,}", "{,}", "{\"a}", "{a\"b}", "a,b"] {
            assert_eq!(array_items(malformed), None, "{malformed}");
        }
        assert_eq!(array_items("{}"), Some(vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            index in 0usize..17,
        ) {
            let oids = [16, 17, 20, 21, 23, 25, 26, 700, 701, 1007, 1009, 1021, 1082, 1114, 1186, 1700, 3802];
            let expected = parameter(oids[index]);
            let _ = read(0, &expected, Format::Binary, Some(Bytes::from(bytes.clone())));
            let _ = read(0, &expected, Format::Text, Some(Bytes::from(bytes)));
        }
    }
}
