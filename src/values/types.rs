//! Which Postgres type stands for which Arrow type, in both directions.

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use postgres_types::{Kind, Type};

/// `oid` and its aliases, one of which the metadata of a catalog's column name.
static OID_ALIASES: [Type; 12] = [
    Type::OID,
    Type::REGPROC,
    Type::REGPROCEDURE,
    Type::REGOPER,
    Type::REGOPERATOR,
    Type::REGCLASS,
    Type::REGTYPE,
    Type::REGROLE,
    Type::REGNAMESPACE,
    Type::REGCONFIG,
    Type::REGDICTIONARY,
    Type::REGCOLLATION,
];

/// The types of the arrays that are sent and read.
static ARRAYS: [Type; 17] = [
    Type::BOOL_ARRAY,
    Type::BYTEA_ARRAY,
    Type::NAME_ARRAY,
    Type::INT2_ARRAY,
    Type::INT4_ARRAY,
    Type::TEXT_ARRAY,
    Type::VARCHAR_ARRAY,
    Type::INT8_ARRAY,
    Type::FLOAT4_ARRAY,
    Type::FLOAT8_ARRAY,
    Type::OID_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::DATE_ARRAY,
    Type::TIME_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INTERVAL_ARRAY,
    Type::NUMERIC_ARRAY,
];

/// A column's type as `RowDescription` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnType {
    pub data_type: Type,
    /// Precision and scale of a decimal, -1 for every other type.
    pub modifier: i32,
}

impl ColumnType {
    fn new(data_type: Type) -> Self {
        Self { data_type, modifier: -1 }
    }

    /// How many bytes a value takes, or -1 where that differs from value to value.
    pub(crate) fn size(&self) -> i16 {
        match self.data_type {
            Type::BOOL | Type::CHAR => 1,
            Type::INT2 => 2,
            Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
            Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
            Type::INTERVAL => 16,
            _ if OID_ALIASES.contains(&self.data_type) => 4,
            _ => -1,
        }
    }
}

/// The type of a result column.
pub(crate) fn column_type(field: &Field) -> ColumnType {
    if let Some(alias) = field.metadata().get("pg.oid_alias")
        && let Some(alias) = OID_ALIASES.iter().find(|known| known.name() == alias)
    {
        return ColumnType::new(alias.clone());
    }
    if field.metadata().contains_key("pg.char") {
        return ColumnType::new(Type::CHAR);
    }
    let mut column = ColumnType::new(postgres_type(field.data_type()));
    if let DataType::Decimal128(precision, scale) = field.data_type()
        && let Ok(scale) = u8::try_from(*scale)
    {
        column.modifier = (i32::from(*precision) << 16 | i32::from(scale)) + 4;
    }
    column
}

/// The type that stands for `data_type`; what Postgres has no name for travels as JSON.
pub(crate) fn postgres_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 => Type::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Type::BYTEA
        }
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, values) => postgres_type(values),
        DataType::RunEndEncoded(_, values) => postgres_type(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            array_of(&postgres_type(item.data_type())).cloned().unwrap_or(Type::JSON)
        }
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Type::JSON,
    }
}

/// The array type over an element type.
pub(crate) fn array_of(element: &Type) -> Option<&'static Type> {
    ARRAYS.iter().find(|array| matches!(array.kind(), Kind::Array(of) if of == element))
}

/// The element type of an array type.
pub(crate) fn element_of(array: &Type) -> Option<&Type> {
    match array.kind() {
        Kind::Array(element) if ARRAYS.contains(array) => Some(element),
        _ => None,
    }
}

/// The Arrow type of a parameter that a client declared, or `None` where it left the type open.
pub(crate) fn arrow_type(declared: &Type) -> Option<DataType> {
    Some(match *declared {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::OID => DataType::UInt32,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::JSON | Type::JSONB => {
            DataType::Utf8
        }
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => {
            let item = arrow_type(element_of(declared)?)?;
            DataType::List(Field::new_list_field(item, true).into())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_embedding_is_an_array_of_real() {
        let embedding =
            DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, false)), 256);
        assert_eq!(column_type(&Field::new("e", embedding, true)).data_type, Type::FLOAT4_ARRAY);
    }

    #[test]
    fn structs_and_arrays_of_structs_travel_as_json() {
        let row = DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into());
        assert_eq!(postgres_type(&row), Type::JSON);
        assert_eq!(postgres_type(&DataType::new_list(row, true)), Type::JSON);
        assert_eq!(
            postgres_type(&DataType::new_list(DataType::new_list(DataType::Int32, true), true)),
            Type::JSON
        );
    }

    #[test]
    fn a_catalog_column_keeps_its_alias() {
        let tagged = Field::new("c", DataType::Int32, false)
            .with_metadata(HashMap::from([("pg.oid_alias".to_owned(), "regtype".to_owned())]));
        assert_eq!(column_type(&tagged).data_type, Type::REGTYPE);
        let letter = Field::new("c", DataType::Utf8, false)
            .with_metadata(HashMap::from([("pg.char".to_owned(), "true".to_owned())]));
        assert_eq!(column_type(&letter), ColumnType::new(Type::CHAR));
        assert_eq!((column_type(&letter).size(), column_type(&tagged).size()), (1, 4));
    }

    #[test]
    fn a_decimal_carries_its_precision_and_scale() {
        let column = column_type(&Field::new("n", DataType::Decimal128(12, 2), true));
        assert_eq!(column.modifier, (12 << 16 | 2) + 4);
    }

    #[test]
    fn a_declared_parameter_comes_back_as_its_own_type() {
        let elements = [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::TEXT,
            Type::BYTEA,
        ];
        for element in elements {
            assert_eq!(postgres_type(&arrow_type(&element).unwrap()), element);
            let array = array_of(&element).unwrap();
            assert_eq!(postgres_type(&arrow_type(array).unwrap()), *array);
            assert_eq!(element_of(array), Some(&element));
        }
        assert_eq!(arrow_type(&Type::UNKNOWN), None);
    }
}
