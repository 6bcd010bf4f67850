//! Which Postgres type stands for which Arrow type, in both directions.

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// Object ids of the built-in types that are used here.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const JSONB: u32 = 3802;
}

/// The aliases of `oid` that catalog columns are tagged with, and their types.
const OID_ALIASES: [(&str, u32); 12] = [
    ("oid", oid::OID),
    ("regproc", 24),
    ("regprocedure", 2202),
    ("regoper", 2203),
    ("regoperator", 2204),
    ("regclass", 2205),
    ("regtype", 2206),
    ("regrole", 4096),
    ("regnamespace", 4089),
    ("regconfig", 3734),
    ("regdictionary", 3769),
    ("regcollation", 4191),
];

/// Element type and array type of the types that have arrays on the wire.
const ARRAYS: [(u32, u32); 17] = [
    (oid::BOOL, 1000),
    (oid::BYTEA, 1001),
    (oid::NAME, 1003),
    (oid::INT2, 1005),
    (oid::INT4, 1007),
    (oid::TEXT, 1009),
    (oid::VARCHAR, 1015),
    (oid::INT8, 1016),
    (oid::FLOAT4, 1021),
    (oid::FLOAT8, 1022),
    (oid::OID, 1028),
    (oid::TIMESTAMP, 1115),
    (oid::DATE, 1182),
    (oid::TIME, 1183),
    (oid::TIMESTAMPTZ, 1185),
    (oid::INTERVAL, 1187),
    (oid::NUMERIC, 1231),
];

/// A column's type as `RowDescription` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnType {
    pub oid: u32,
    pub size: i16,
    pub modifier: i32,
}

impl ColumnType {
    fn new(oid: u32) -> Self {
        Self { oid, size: size(oid), modifier: -1 }
    }
}

/// The type of a result column.
pub(crate) fn column_type(field: &Field) -> ColumnType {
    if let Some(alias) = field.metadata().get("pg.oid_alias")
        && let Some((_, oid)) = OID_ALIASES.iter().find(|(name, _)| name == alias)
    {
        return ColumnType::new(*oid);
    }
    if field.metadata().contains_key("pg.char") {
        return ColumnType::new(oid::CHAR);
    }
    let mut column = ColumnType::new(type_oid(field.data_type()));
    if let DataType::Decimal128(precision, scale) = field.data_type()
        && let Ok(scale) = u8::try_from(*scale)
    {
        column.modifier = (i32::from(*precision) << 16 | i32::from(scale)) + 4;
    }
    column
}

/// The object id of the type that stands for `data_type`; what Postgres has no name for travels as JSON.
pub(crate) fn type_oid(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Boolean => oid::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => oid::INT2,
        DataType::Int32 | DataType::UInt16 => oid::INT4,
        DataType::Int64 | DataType::UInt32 => oid::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => oid::NUMERIC,
        DataType::Float16 | DataType::Float32 => oid::FLOAT4,
        DataType::Float64 => oid::FLOAT8,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => oid::TEXT,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            oid::BYTEA
        }
        DataType::Date32 | DataType::Date64 => oid::DATE,
        DataType::Time32(_) | DataType::Time64(_) => oid::TIME,
        DataType::Timestamp(_, None) => oid::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => oid::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => oid::INTERVAL,
        DataType::Dictionary(_, values) => type_oid(values),
        DataType::RunEndEncoded(_, values) => type_oid(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => array_of(type_oid(item.data_type())).unwrap_or(oid::JSON),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => oid::JSON,
    }
}

/// The array type over an element type.
pub(crate) fn array_of(element: u32) -> Option<u32> {
    ARRAYS.iter().find(|(of, _)| *of == element).map(|(_, array)| *array)
}

/// The element type of an array type.
pub(crate) fn element_of(array: u32) -> Option<u32> {
    ARRAYS.iter().find(|(_, of)| *of == array).map(|(element, _)| *element)
}

/// The Arrow type of a parameter that a client declared, or `None` where it left the type open.
pub(crate) fn parameter_type(oid: u32) -> Option<DataType> {
    Some(match oid {
        oid::BOOL => DataType::Boolean,
        oid::INT2 => DataType::Int16,
        oid::INT4 => DataType::Int32,
        oid::INT8 => DataType::Int64,
        oid::OID => DataType::UInt32,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        oid::NUMERIC => DataType::Decimal128(38, 10),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::JSON | oid::JSONB => {
            DataType::Utf8
        }
        oid::BYTEA => DataType::Binary,
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(TimeUnit::Microsecond),
        oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        array => {
            let item = parameter_type(element_of(array)?)?;
            DataType::List(Field::new_list_field(item, true).into())
        }
    })
}

fn size(oid: u32) -> i16 {
    match oid {
        oid::BOOL | oid::CHAR => 1,
        oid::INT2 => 2,
        oid::INT4 | oid::FLOAT4 | oid::DATE => 4,
        oid::INT8 | oid::FLOAT8 | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => 8,
        oid::INTERVAL => 16,
        oid if OID_ALIASES.iter().any(|(_, alias)| *alias == oid) => 4,
        _ => -1,
    }
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
        assert_eq!(column_type(&Field::new("e", embedding, true)).oid, 1021);
    }

    #[test]
    fn structs_and_arrays_of_structs_travel_as_json() {
        let row = DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into());
        assert_eq!(type_oid(&row), oid::JSON);
        assert_eq!(type_oid(&DataType::new_list(row, true)), oid::JSON);
        assert_eq!(type_oid(&DataType::new_list(DataType::new_list(DataType::Int32, true), true)), oid::JSON);
    }

    #[test]
    fn a_catalog_column_keeps_its_alias() {
        let tagged = Field::new("c", DataType::Int32, false)
            .with_metadata(HashMap::from([("pg.oid_alias".to_string(), "regtype".to_string())]));
        assert_eq!(column_type(&tagged).oid, 2206);
        let letter = Field::new("c", DataType::Utf8, false)
            .with_metadata(HashMap::from([("pg.char".to_string(), "true".to_string())]));
        assert_eq!(column_type(&letter), ColumnType { oid: 18, size: 1, modifier: -1 });
    }

    #[test]
    fn a_decimal_carries_its_precision_and_scale() {
        let column = column_type(&Field::new("n", DataType::Decimal128(12, 2), true));
        assert_eq!(column.modifier, (12 << 16 | 2) + 4);
    }

    #[test]
    fn a_declared_parameter_comes_back_as_its_own_type() {
        for oid in
            [oid::BOOL, oid::INT2, oid::INT4, oid::INT8, oid::FLOAT4, oid::FLOAT8, oid::TEXT, oid::BYTEA]
        {
            assert_eq!(type_oid(&parameter_type(oid).unwrap()), oid);
            let array = array_of(oid).unwrap();
            assert_eq!(type_oid(&parameter_type(array).unwrap()), array);
        }
        assert_eq!(parameter_type(705), None);
        assert_eq!(parameter_type(0), None);
    }
}
