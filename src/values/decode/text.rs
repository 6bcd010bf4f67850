//! Parameters in text format.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use hyprstream_engine::parse_boolean;

use crate::values::array_literal;

/// Reads a value of the type that the plan expects, or says what is wrong with it.
pub(super) fn read(text: &str, data_type: &DataType) -> Result<ScalarValue, String> {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => text
            .strip_prefix("\\x")
            .and_then(|digits| hex::decode(digits).ok())
            .map(|bytes| ScalarValue::Binary(Some(bytes)))
            .ok_or_else(|| "bytea is written as \\x and hexadecimal digits".into()),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let items =
                array_literal::items(text).ok_or_else(|| format!("malformed array literal: \"{text}\""))?;
            let items = items
                .into_iter()
                .map(|item_text| match item_text {
                    Some(item_text) => read(&item_text, item.data_type()),
                    None => ScalarValue::try_from(item.data_type()).map_err(|error| error.to_string()),
                })
                .collect::<Result<Vec<_>, _>>()?;
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())))
        }
        DataType::Boolean => {
            parse_boolean(text).map(ScalarValue::from).ok_or_else(|| format!("\"{text}\" is not a boolean"))
        }
        DataType::Null | DataType::Utf8 => Ok(ScalarValue::from(text)),
        _ => {
            ScalarValue::try_from_string(text.trim().to_owned(), data_type).map_err(|error| error.to_string())
        }
    }
}
