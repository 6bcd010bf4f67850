//! Parameters in binary format: network byte order, dates from 2000-01-01.

use bytes::{Buf, Bytes};
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::ScalarValue;
use postgres_types::Type;

use crate::values::calendar::{EPOCH_DAYS, EPOCH_MICROS};
use crate::values::numeric;
use crate::values::types::{arrow_type, element_of};

const TOO_SHORT: &str = "too few bytes";

/// Reads a value of the type that the client sends, or says what is wrong with it.
pub(super) fn read(mut bytes: Bytes, wire: &Type) -> Result<ScalarValue, String> {
    let body = &mut bytes;
    let short = |_| TOO_SHORT.to_owned();
    let value = match *wire {
        Type::BOOL => ScalarValue::Boolean(Some(body.try_get_u8().map_err(short)? != 0)),
        Type::INT2 => ScalarValue::Int16(Some(body.try_get_i16().map_err(short)?)),
        Type::INT4 => ScalarValue::Int32(Some(body.try_get_i32().map_err(short)?)),
        Type::INT8 => ScalarValue::Int64(Some(body.try_get_i64().map_err(short)?)),
        Type::OID => ScalarValue::UInt32(Some(body.try_get_u32().map_err(short)?)),
        Type::FLOAT4 => ScalarValue::Float32(Some(body.try_get_f32().map_err(short)?)),
        Type::FLOAT8 => ScalarValue::Float64(Some(body.try_get_f64().map_err(short)?)),
        Type::DATE => {
            ScalarValue::Date32(Some(body.try_get_i32().map_err(short)?.saturating_add(EPOCH_DAYS)))
        }
        Type::TIME => ScalarValue::Time64Microsecond(Some(body.try_get_i64().map_err(short)?)),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            let micros = body.try_get_i64().map_err(short)?.saturating_add(EPOCH_MICROS);
            let zone = (*wire == Type::TIMESTAMPTZ).then(|| "+00:00".into());
            ScalarValue::TimestampMicrosecond(Some(micros), zone)
        }
        Type::INTERVAL => {
            let micros = body.try_get_i64().map_err(short)?;
            let days = body.try_get_i32().map_err(short)?;
            let months = body.try_get_i32().map_err(short)?;
            let value = IntervalMonthDayNano::new(months, days, micros.saturating_mul(1000));
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        Type::NUMERIC => {
            let text = numeric::read_binary(&std::mem::take(body)).ok_or("malformed numeric")?;
            ScalarValue::Utf8(Some(text))
        }
        Type::BYTEA => ScalarValue::Binary(Some(std::mem::take(body).to_vec())),
        Type::JSONB => {
            // A version byte stands before the text.
            body.try_get_u8().map_err(short)?;
            read_utf8(&std::mem::take(body))?
        }
        _ => match element_of(wire) {
            Some(element) => read_array(body, element)?,
            None => read_utf8(&std::mem::take(body))?,
        },
    };
    if body.has_remaining() { Err("too many bytes".into()) } else { Ok(value) }
}

fn read_utf8(bytes: &Bytes) -> Result<ScalarValue, String> {
    String::from_utf8(bytes.to_vec())
        .map(|text| ScalarValue::Utf8(Some(text)))
        .map_err(|_| "invalid byte sequence for encoding \"UTF8\"".into())
}

/// Reads an array of one dimension: dimensions, whether it has NULLs, element type, length, lower bound, items.
fn read_array(body: &mut Bytes, element: &Type) -> Result<ScalarValue, String> {
    let short = |_| TOO_SHORT.to_owned();
    let dimensions = body.try_get_i32().map_err(short)?;
    body.try_get_i32().map_err(short)?;
    let sent = body.try_get_u32().map_err(short)?;
    if sent != element.oid() {
        return Err(format!("elements of type {sent} in an array of {element}"));
    }
    let item_type = arrow_type(element).ok_or("unsupported element type")?;
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
                        let value = read(body.split_to(length), element)?;
                        value.cast_to(&item_type).map_err(|error| error.to_string())?
                    }
                    Err(_) if length == -1 => {
                        ScalarValue::try_from(&item_type).map_err(|error| error.to_string())?
                    }
                    _ => return Err(TOO_SHORT.into()),
                });
            }
        }
        _ => return Err("arrays of more than one dimension are not supported".into()),
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &item_type)))
}
