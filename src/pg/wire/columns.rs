//! The columns of a result, as `RowDescription` lists them.

use datafusion::arrow::datatypes::Schema;
use pgwire::messages::data::{FieldDescription, RowDescription};

use crate::pg::wire::replies::c_text;
use crate::report::Report;
use crate::values::format::Format;
use crate::values::types::{ColumnType, column_type};

/// The most columns that the messages can count.
const MAX_COLUMNS: usize = i16::MAX as usize;

/// A column: how a client sees it and how its values are sent.
#[derive(Debug)]
pub(crate) struct ColumnDescription {
    pub name: String,
    pub column_type: ColumnType,
    pub format: Format,
}

/// The columns of a schema, of which column `n` is sent in `format(n)`.
pub(crate) fn describe(
    schema: &Schema,
    format: impl Fn(usize) -> Format,
) -> Result<Vec<ColumnDescription>, Report> {
    let fields = schema.fields();
    if fields.len() > MAX_COLUMNS {
        let message = format!("a result can have at most {MAX_COLUMNS} columns, not {}", fields.len());
        return Err(Report::error("54011", message));
    }
    let columns = fields.iter().enumerate().map(|(index, field)| ColumnDescription {
        name: field.name().clone(),
        column_type: column_type(field),
        format: format(index),
    });
    Ok(columns.collect())
}

/// The message that announces rows of these columns.
pub(crate) fn row_description(columns: &[ColumnDescription]) -> RowDescription {
    let fields = columns.iter().map(|column| {
        FieldDescription::new(
            c_text(&column.name),
            0,
            0,
            column.column_type.data_type.oid(),
            column.column_type.size(),
            column.column_type.modifier,
            column.format.code(),
        )
    });
    RowDescription::new(fields.collect())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use datafusion::arrow::datatypes::{DataType, Field};
    use pgwire::messages::Message;

    use super::*;

    #[test]
    fn a_result_with_more_columns_than_can_be_counted_is_refused() {
        let schema = |columns| Schema::new(vec![Field::new("a", DataType::Int32, true); columns]);
        let text = |_| Format::Text;
        assert_eq!(describe(&schema(32_767), text).unwrap().len(), 32_767);
        assert_eq!(describe(&schema(32_768), text).unwrap_err().sqlstate, "54011");
    }

    #[test]
    fn a_row_description_names_type_and_format() {
        let mut out = BytesMut::new();
        let schema = Schema::new(vec![Field::new("a", DataType::Utf8, true)]);
        let columns = describe(&schema, |_| Format::Binary).unwrap();
        row_description(&columns).encode(&mut out).unwrap();
        assert_eq!(&out[..], b"T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\x01");
    }
}
