//! The kinds of arguments: their Arrow types and their names in messages.

use datafusion::arrow::datatypes::{DataType, Field};

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number, whole or not.
    Float,
    /// True or false.
    Boolean,
    /// A list of texts; a single text counts as a list of one.
    Texts,
    /// A list of token ids.
    Integers,
    /// A list of numbers.
    Vector,
    /// A version: its number or a tag.
    Version,
}

impl Kind {
    pub(super) fn takes_element(self, element: &DataType) -> bool {
        match self {
            Self::Texts => element.is_string() || element.is_null(),
            Self::Integers => element.is_integer() || element.is_null(),
            _ => false,
        }
    }

    /// The Arrow type of an argument of this kind.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Version => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Integers => DataType::new_list(DataType::Int64, true),
            Self::Vector => DataType::new_list(DataType::Float32, true),
        }
    }

    /// The kind in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Boolean => "a boolean",
            Self::Texts => "text or an array of text",
            Self::Integers => "an array of integers",
            Self::Vector => "an array of numbers",
            Self::Version => "a version's number or tag",
        }
    }
}

/// The type of an embedding of `length` numbers.
pub(crate) fn vector_type(length: i32) -> DataType {
    DataType::FixedSizeList(Field::new_list_field(DataType::Float32, true).into(), length)
}

/// A type's name as Postgres users know it.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Int8 | DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea".to_owned(),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
            format!("{}[]", type_name(f.data_type()))
        }
        other => other.to_string(),
    }
}
