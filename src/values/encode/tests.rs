use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{
    Array, ArrayRef, Decimal128Array, DictionaryArray, FixedSizeListArray, Float32Array, Int32Array,
    Int32Builder, ListArray, MapBuilder, StringArray, StringBuilder, StructArray, TimestampNanosecondArray,
    UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int32Type};

use super::column::Column;
use crate::values::format::Format;

fn texts(array: impl Array + 'static) -> Vec<Option<String>> {
    let array: ArrayRef = Arc::new(array);
    let column = Column::new(&array).unwrap();
    (0..array.len()).map(|row| column.text(row)).collect()
}

fn binary(array: &ArrayRef, row: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    Column::new(array).unwrap().write(row, Format::Binary, &mut out);
    out.to_vec()
}

#[test]
fn null_is_a_length_of_minus_one() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(5), None]));
    assert_eq!(binary(&array, 0), [0, 0, 0, 4, 0, 0, 0, 5]);
    assert_eq!(binary(&array, 1), [0xff; 4]);
}

#[test]
fn an_embedding_is_readable_and_binary_as_real_array() {
    let values = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        vec![Some(vec![Some(0.5), Some(-1.0)]), None, Some(vec![Some(2.0), Some(0.25)])],
        2,
    );
    let sliced: ArrayRef = Arc::new(values.slice(1, 2));
    assert_eq!(texts(values), [Some("{0.5,-1}".into()), None, Some("{2,0.25}".into())]);
    assert_eq!(texts(Arc::clone(&sliced)), [None, Some("{2,0.25}".into())]);
    let expected = [
        &[0, 0, 0, 36][..],
        &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0xbc, 0, 0, 0, 2, 0, 0, 0, 1],
        &[0, 0, 0, 4, 0x40, 0, 0, 0, 0, 0, 0, 4, 0x3e, 0x80, 0, 0],
    ]
    .concat();
    assert_eq!(binary(&sliced, 1), expected);
}

#[test]
fn text_arrays_quote_what_would_be_read_as_syntax() {
    let items = StringArray::from(vec![
        Some("plain"),
        Some("two words"),
        Some("a\"b\\"),
        Some("null"),
        None,
        Some(""),
    ]);
    let list = ListArray::new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        datafusion::arrow::buffer::OffsetBuffer::from_lengths([6, 0]),
        Arc::new(items),
        None,
    );
    assert_eq!(
        texts(list),
        [Some(r#"{plain,"two words","a\"b\\","null",NULL,""}"#.into()), Some("{}".into())]
    );
}

#[test]
fn a_struct_is_json_with_its_own_names() {
    let scores: ArrayRef = Arc::new(Float32Array::from(vec![1.5, f32::NAN]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("Zo\u{eb}\n"), None]));
    let rows = StructArray::from(vec![
        (Arc::new(Field::new("score", DataType::Float32, true)), scores),
        (Arc::new(Field::new("name", DataType::Utf8, true)), names),
    ]);
    assert_eq!(
        texts(rows),
        [
            Some("{\"score\":1.5,\"name\":\"Zo\u{eb}\\n\"}".into()),
            Some(r#"{"score":null,"name":null}"#.into())
        ]
    );
}

#[test]
fn a_map_is_a_json_object() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a");
    map.values().append_value(1);
    map.keys().append_value("b");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(texts(map.finish()), [Some(r#"{"a":1,"b":null}"#.into())]);
}

#[test]
fn dictionaries_and_unsigned_numbers_read_as_their_values() {
    let words: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    assert_eq!(texts(words), [Some("x".into()), None, Some("x".into())]);
    let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    assert_eq!(texts(large), [Some("18446744073709551615".into())]);
}

#[test]
fn timestamps_and_decimals_keep_their_precision() {
    let time = TimestampNanosecondArray::from(vec![1_763_703_130_250_000_999]).with_timezone("UTC");
    assert_eq!(texts(time.clone()), [Some("2025-11-21 05:32:10.25+00".into())]);
    let micros: [u8; 8] = binary(&(Arc::new(time) as ArrayRef), 0)[4..].try_into().unwrap();
    assert_eq!(i64::from_be_bytes(micros), 1_763_703_130_250_000 - 946_684_800_000_000);
    let money = Decimal128Array::from(vec![-1250]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(texts(money), [Some("-12.50".into())]);
}
