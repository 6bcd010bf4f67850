//! Parameters of a statement as scalar values.

mod binary;
mod text;

use bytes::Bytes;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use postgres_types::Type;

use crate::report::Report;
use crate::values::format::Format;

/// The type that a statement's parameter has on the wire and in the plan.
#[derive(Debug, Clone)]
pub(crate) struct ParameterType {
    pub wire: Type,
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
            .map_err(|_| "invalid byte sequence for encoding \"UTF8\"".to_owned())
            .and_then(|text| text::read(text, &expected.data_type)),
        Format::Binary => binary::read(bytes, &expected.wire),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::types::arrow_type;

    fn parameter(wire: Type) -> ParameterType {
        ParameterType { data_type: arrow_type(&wire).unwrap(), wire }
    }

    fn text(wire: Type, text: &'static str) -> Result<ScalarValue, Report> {
        read(0, &parameter(wire), Format::Text, Some(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn text_and_binary_give_the_same_value() {
        let binary = |wire, bytes: &'static [u8]| {
            read(0, &parameter(wire), Format::Binary, Some(Bytes::from_static(bytes))).unwrap()
        };
        assert_eq!(text(Type::INT4, "-7").unwrap(), binary(Type::INT4, &[0xff, 0xff, 0xff, 0xf9]));
        assert_eq!(text(Type::BOOL, "t").unwrap(), binary(Type::BOOL, &[1]));
        assert_eq!(text(Type::DATE, "2000-01-02").unwrap(), binary(Type::DATE, &[0, 0, 0, 1]));
        assert_eq!(
            text(Type::TIMESTAMP, "2000-01-01 00:00:01").unwrap(),
            binary(Type::TIMESTAMP, &[0, 0, 0, 0, 0, 0x0f, 0x42, 0x40])
        );
        assert_eq!(text(Type::BYTEA, "\\x00ff").unwrap(), binary(Type::BYTEA, &[0, 255]));
        assert_eq!(
            text(Type::FLOAT4_ARRAY, "{0.5,NULL}").unwrap(),
            binary(
                Type::FLOAT4_ARRAY,
                &[
                    0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 2, 0xbc, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0x3f, 0, 0, 0,
                    0xff, 0xff, 0xff, 0xff
                ]
            )
        );
        assert_eq!(
            text(Type::NUMERIC, "12.5").unwrap(),
            binary(Type::NUMERIC, &[0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x13, 0x88])
        );
    }

    #[test]
    fn a_null_has_the_type_of_its_parameter() {
        let value = read(0, &parameter(Type::INT8), Format::Binary, None).unwrap();
        assert_eq!(value, ScalarValue::Int64(None));
    }

    #[test]
    fn a_value_that_does_not_parse_names_its_parameter() {
        let report = text(Type::INT4, "seven").unwrap_err();
        assert_eq!(report.sqlstate, "22P02");
        assert!(report.message.contains("$1"), "{}", report.message);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            index in 0usize..17,
        ) {
            let oids = [16, 17, 20, 21, 23, 25, 26, 700, 701, 1007, 1009, 1021, 1082, 1114, 1186, 1700, 3802];
            let expected = parameter(Type::from_oid(oids[index]).unwrap());
            let _ = read(0, &expected, Format::Binary, Some(Bytes::from(bytes.clone())));
            let _ = read(0, &expected, Format::Text, Some(Bytes::from(bytes)));
        }
    }
}
